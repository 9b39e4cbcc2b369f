// Call with the unmodified npm package openid-client. Started as `node openid_client.mjs LIBRARY`.
//
// Reads one JSON line that says who calls, then one a call; writes one JSON line a call: what was answered, and of every
// token that was fetched what was told with it.

import { createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { createInterface } from "node:readline";

const client = await import(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const who = JSON.parse((await lines.next()).value);

const KINDS = {
  rsa: { name: "RSA-PSS", hash: "SHA-256" },
  ec: { name: "ECDSA", namedCurve: "P-256" },
};

async function pairOf(pem) {
  const secret = createPrivateKey(pem);
  const kind = KINDS[secret.asymmetricKeyType];
  const open = createPublicKey(secret).export({ type: "spki", format: "der" });
  return {
    privateKey: await webcrypto.subtle.importKey("pkcs8", secret.export({ type: "pkcs8", format: "der" }), kind, false, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("spki", open, kind, true, ["verify"]),
  };
}

// fetch of Node knows no client certificates; the library takes any function in its place.
function fetchWith(pair, ca) {
  const certified = { cert: pair, key: pair, ca };
  return (url, { method, headers, body }) =>
    new Promise((resolve, reject) => {
      const sent = request(url, { method, headers: Object.fromEntries(new Headers(headers)), ...certified }, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          const init = { status: answer.statusCode, headers: answer.headers };
          resolve(new Response(chunks.length > 0 ? Buffer.concat(chunks) : null, init));
        });
      });
      sent.on("error", reject);
      sent.end(body == null ? undefined : `${body}`);
    });
}

const own = await pairOf(who.pem);
const over = who.certificate ? { [client.customFetch]: fetchWith(readFileSync(who.certificate), readFileSync(who.ca)) } : {};
const config = await client.discovery(
  new URL(who.issuer),
  who.client_id,
  { [client.clockSkew]: who.ahead_s, use_mtls_endpoint_aliases: Boolean(who.certificate) },
  who.method === "tls_client_auth" ? client.TlsClientAuth() : client.PrivateKeyJwt({ key: own.privateKey, kid: who.key_id }),
  { algorithm: "oauth2", ...over },
);
const shown = who.one_key ? own : await client.randomDPoPKeyPair(who.algorithm);
const DPoP = who.binding === "certificate" ? undefined : client.getDPoPHandle(config, shown);
const tokens = [];

async function token() {
  if (tokens.length === 0) {
    const scope = who.scopes.join(" ");
    const answer = await client.clientCredentialsGrant(config, scope ? { scope } : {}, { DPoP });
    const { access_token, token_type, expires_in, scope: granted } = answer;
    tokens.push({ accessToken: access_token, type: token_type, expiresIn: expires_in, scope: granted });
  }
  return tokens[0].accessToken;
}

for await (const line of lines) {
  const { method, url } = JSON.parse(line);
  let told;
  try {
    const answer = await client.fetchProtectedResource(config, await token(), new URL(url), method, null, new Headers(), { DPoP });
    told = { status: answer.status, body: await answer.text(), headers: Object.fromEntries(answer.headers) };
  } catch (error) {
    // The library throws what a server refuses: `error` of the token endpoint, or a resource's challenge.
    const why = error.error ?? JSON.stringify(error.cause);
    told = { error: `${error.name}: ${why}`, status: error.status ?? error.response?.status };
  }
  console.log(JSON.stringify({ ...told, tokens }));
}
