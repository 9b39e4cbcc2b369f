// The pages where a key is made and first used. They load nothing but our own modules: no other code is near the key.

import { announce } from "./portal.js";

const main = document.getElementById("main");

const find = (id) => document.getElementById(id);
const show = (element, shown = true) => { if (element) element.hidden = !shown; };

// ---- a private key that was pasted or chosen by mistake is taken out of the form at once: it is not even checked by the server

const PRIVATE = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;
let refusing = false; // the rest of a text that comes line by line, as some tools type it

for (const field of document.querySelectorAll("#csr, #file, #certificate, #public_key")) {
  field.addEventListener(field.type === "file" ? "change" : "input", async (event) => {
    const known = event.isTrusted ? field.files?.[0] : undefined;
    if (known) event.stopImmediatePropagation(); // until it is known what it is
    const text = known ? await known.text() : field.value;
    const secret = refusing || PRIVATE.test(text);
    show(find("private-key"), secret);
    if (secret) {
      field.value = "";
      find("checks")?.replaceChildren();
      refusing = true;
      setTimeout(() => { refusing = false; });
    }
    else if (known) field.dispatchEvent(new Event("change", { bubbles: true }));
  }, true);
}

// ---- the ceremony

const form = document.querySelector("form[data-ceremony]");
if (form) prepare();

async function prepare() {
  const ceremony = await import("./ceremony/ceremony.js");
  const password = find("keystore-password");
  if (!ceremony.available().ok) {
    show(find("unavailable"));
    find("ceremony").disabled = find("submit").disabled = true;
    return;
  }
  find("show-password").addEventListener("click", ({ currentTarget }) => {
    const shown = password.type === "password";
    password.type = shown ? "text" : "password";
    currentTarget.setAttribute("aria-pressed", shown);
  });
  find("make-password").addEventListener("click", () => {
    password.value = ceremony.generatePassword();
    if (password.type === "password") find("show-password").click();
  });
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    find("submit").setAttribute("aria-disabled", "true");
    await create(ceremony, password.value);
    find("submit")?.removeAttribute("aria-disabled");
    busy = false;
  });
}

/** Make a key, have it certified, save it. Whatever goes wrong is said, and the key forgotten. */
async function create(ceremony, password) {
  const alias = form.elements.alias.value.trim();
  let keyPair;
  steps();
  try {
    refuse(ceremony.aliasProblem(alias) || ceremony.passwordProblem(password));
    keyPair = await ceremony.makeKey(find("kind").value);
    done("key");
    const request = await ceremony.certificationRequest(keyPair, subjectOf(alias));
    done("request");
    const page = await send(request);
    done("certificate");
    await save(ceremony, page, { keyPair, alias, password });
  } catch (error) {
    if (keyPair) ceremony.forget(keyPair);
    complain(error);
  }
}

/** The one request: the form with the certification request in it. The answer is the page of the new key. */
async function send(request) {
  const body = new FormData(form);
  body.set("csr", request);
  const answer = await fetch(form.action, { method: "POST", body }).catch(() => refuse("no_answer"));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (answer.ok && page.getElementById("chain")) return { page, url: answer.url };
  if (answer.redirected) location.assign(answer.url); // signed out meanwhile
  throw new Refusal(page.getElementById("problem")?.textContent ?? page.querySelector(".alarm p")?.textContent ?? sentence("refused"));
}

async function save(ceremony, { page, url }, { keyPair, alias, password }) {
  const chainPem = page.getElementById("chain").textContent;
  const bar = find("progress");
  show(bar);
  const made = await ceremony
    .keystore({ keyPair, chainPem, alias, password, onProgress: (share) => { bar.value = share; } })
    .catch(() => { throw new Refusal(sentence("not_saved"), url); });
  const name = alias.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+/, "") || "key";
  const kid = page.getElementById("kid")?.textContent;
  const formats = {
    p12: ["application/x-pkcs12", () => made],
    pem: ["application/x-pem-file", () => ceremony.encryptedPem({ keyPair, password })],
    jwk: ["application/jwk+json", () => ceremony.jwk(keyPair, { kid })],
    crt: ["application/x-pem-file", () => ceremony.certificatePem({ keyPair, chainPem })],
  };
  download(`${name}.p12`, formats.p12[0], made);
  done("file");
  turnTo(page, url);
  find("saved-name").textContent = `${name}.p12`;
  show(find("saved"));
  find("saved").addEventListener("click", async ({ target }) => {
    const kind = target.closest("[data-save]")?.dataset.save;
    if (kind) download(`${name}.${kind}`, formats[kind][0], await formats[kind][1]());
  });
  find("made").focus();
  announce(find("saved").querySelector("p").textContent);
}

/** Show the new key's page in this document, which holds the key. */
function turnTo(page, url) {
  main.replaceChildren(...page.getElementById("main").childNodes);
  document.title = page.title;
  history.replaceState(null, "", url);
  watch();
}

function download(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

class Refusal extends Error {
  constructor(text, url) { super(text); this.url = url; }
}

function refuse(reason) {
  if (reason) throw new Refusal(sentence(reason));
}

function sentence(reason) {
  return find("reasons").content.querySelector(`[data-reason="${reason}"]`)?.textContent ?? sentence("refused");
}

function complain(error) {
  const text = error instanceof Refusal ? error.message : sentence(error.reason ?? "refused");
  const place = find("problem") ?? Object.assign(document.createElement("p"), { id: "problem", className: "problem" });
  place.setAttribute("role", "alert");
  place.tabIndex = -1;
  place.textContent = text;
  if (error.url) place.append(" ", Object.assign(document.createElement("a"), { href: error.url, textContent: "→" }));
  form.before(place);
  show(find("steps"), false);
  place.focus();
}

function steps() {
  find("problem")?.remove();
  for (const step of find("steps").children) step.className = "";
  show(find("steps"));
}

const done = (name) => { find("steps").querySelector(`[data-step="${name}"]`).className = "done"; };

/** What the request names: as the environment asks for it, else after the name that was given. */
function subjectOf(alias) {
  // A certificate's subject is accepted once, so that it needs a part of its own.
  const unique = Math.floor(Date.now() / 1000).toString();
  const isCertificate = form.dataset.thing === "certificate" || form.elements.service?.value.endsWith(" MTLS");
  const asked = JSON.parse(form.dataset.subject ?? "{}");
  const spelled = (name) => asked[name]?.replace("<unique>", unique);
  return {
    commonName: spelled("CN") ?? (isCertificate ? `${fitting(alias, 63 - unique.length)}-${unique}` : fitting(alias)),
    organization: spelled("O") ?? fitting(form.dataset.organization),
    organizationalUnit: spelled("OU") ?? "",
  };
}

/** A subject takes 64 characters; the name of the key may have more. */
const fitting = (text, most = 64) => [...text].slice(0, most).join("").trim();

// ---- waiting for the first call

let events;

function watch() {
  const place = document.querySelector("[data-events]");
  events?.close();
  if (!place || document.hidden) return;
  events = new EventSource(place.dataset.events);
  events.addEventListener("ended", () => events.close());
  events.addEventListener("message", ({ data }) => {
    const seen = place.querySelector(".success");
    place.innerHTML = data;
    if (!seen && place.querySelector(".success")) announce(place.textContent);
  });
}

watch();
document.addEventListener("visibilitychange", watch);
