// Passkeys: a form marked data-passkey="create" or "get" is shown where the browser has passkeys, and sends the browser's
// answer in its field `response`. WebAuthn Level 3; browsers without its JSON methods get ours.

const octets = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const named = (list) => (list ?? []).map((each) => ({ ...each, id: octets(each.id) }));

function creation(options) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return {
    ...options,
    challenge: octets(options.challenge),
    user: { ...options.user, id: octets(options.user.id) },
    excludeCredentials: named(options.excludeCredentials),
  };
}

function request(options) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return { ...options, challenge: octets(options.challenge), allowCredentials: named(options.allowCredentials) };
}

function written(credential) {
  if (credential.toJSON) return JSON.stringify(credential.toJSON());
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = base64url(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response });
}

async function ask(form) {
  const answer = await fetch(form.dataset.options, { headers: { Accept: "application/json" } });
  // Signed out meanwhile: the page itself knows the way to the sign-in page and back.
  if (answer.redirected) return { reload: true };
  return answer.json();
}

async function use(form) {
  const options = await ask(form);
  if (options.reload) return location.reload();
  if (options.go) return location.assign(options.go);
  if (options.problem) throw new Error(options.problem);
  const credential =
    form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: creation(options) })
      : await navigator.credentials.get({ publicKey: request(options) });
  form.elements.response.value = written(credential);
  form.submit();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) break;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, problem] = [form.querySelector("button"), form.querySelector(".problem")];
    problem.hidden = button.disabled = true;
    try {
      await use(form);
    } catch (error) {
      // What the browser says is for developers, in its own language, and may tell which passkeys there are.
      problem.textContent = error instanceof DOMException || error instanceof TypeError ? form.dataset.failed : error.message;
      problem.hidden = false;
      button.disabled = false;
    }
  });
}
if (window.PublicKeyCredential) {
  for (const hint of document.querySelectorAll("[data-without-passkeys]")) hint.hidden = true;
}
