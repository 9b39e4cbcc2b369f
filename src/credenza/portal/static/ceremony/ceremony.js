// The key ceremony: a key is made in this page, certified by the server, and saved in the formats that tools open.
//
//   const { ok, reason } = available();
//   const keyPair = await makeKey("RSA-2048");
//   const request = await certificationRequest(keyPair, { commonName, organization });  // the only thing to send
//   const file = await keystore({ keyPair, chainPem, alias, password, onProgress });    // chainPem: the answer
//   forget(keyPair);                                                   // when the server refuses, when the dialog closes
//
// Nothing here sends anything. Whatever is refused throws Refused, whose `reason` names a sentence of the page.

import { armored, certificates, latin1 } from "./der.js";
import { encryptKey, random } from "./encryption.js";
import { write as writeKeystore } from "./keystore.js";
import { write as writeRequest } from "./request.js";

export const SHORTEST_PASSWORD = 12;
export const LONGEST_ALIAS = 120;

const rsa = (modulusLength) => ({
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: Uint8Array.of(1, 0, 1),
  modulusLength,
});

// NIST SP 800-57 part 1, 5.6: RSA of 2048 bits is worth 112 bits, enough to 2030 and beyond the life of a certificate;
// 3072 bits and P-256 are worth 128. 4096 is for those whose rules ask for it: signing takes six times as long.
const KINDS = new Map([
  ["RSA-2048", rsa(2048)],
  ["RSA-3072", rsa(3072)],
  ["RSA-4096", rsa(4096)],
  ["EC-P256", { name: "ECDSA", namedCurve: "P-256" }],
]);

// A handle opens nothing by itself: whoever finds one in the page cannot get at the key but through this module.
const pairs = new WeakMap();

export class Refused extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** Browsers offer their cryptography to pages that came over HTTPS or from this machine, and to no others. */
export function available() {
  if (!globalThis.isSecureContext) return { ok: false, reason: "insecure_context" };
  return globalThis.crypto?.subtle ? { ok: true, reason: "" } : { ok: false, reason: "no_webcrypto" };
}

/** @param {"RSA-2048" | "RSA-3072" | "RSA-4096" | "EC-P256"} kind @returns {Promise<object>} a handle */
export async function makeKey(kind) {
  const { ok, reason } = available();
  refuse(ok ? !KINDS.has(kind) && "key_kind" : reason);
  const keyPair = Object.freeze({ kind });
  pairs.set(keyPair, await crypto.subtle.generateKey(KINDS.get(kind), true, ["sign", "verify"]));
  return keyPair;
}

/** From now on the handle opens nothing. Files that were saved are not touched. */
export const forget = (keyPair) => void pairs.delete(keyPair);

/** @returns {Promise<string>} PEM */
export async function certificationRequest(keyPair, { commonName, organization = "", organizationalUnit = "" }) {
  const subject = { commonName, organization, organizationalUnit };
  return armored("CERTIFICATE REQUEST", await writeRequest(pairOf(keyPair), subject));
}

/**
 * PKCS#12. The certificate is not optional: Java calls a key without one no key.
 * @param {{keyPair: object, chainPem: string, alias: string, password: string, onProgress?: (share: number) => void}} order
 *     chainPem: the key's certificate, then those of its issuers; onProgress hears 0 to 1
 * @returns {Promise<Uint8Array>}
 */
export async function keystore({ keyPair, chainPem, alias, password, onProgress = () => {} }) {
  refuse(passwordProblem(password) || aliasProblem(alias));
  const { privateKey } = pairOf(keyPair);
  const chain = await chainOf(keyPair, chainPem);
  return writeKeystore(privateKey, chain, { alias, password, onProgress });
}

/** `BEGIN ENCRYPTED PRIVATE KEY`. @returns {Promise<string>} PEM */
export async function encryptedPem({ keyPair, password }) {
  refuse(passwordProblem(password));
  return armored("ENCRYPTED PRIVATE KEY", await encryptKey(pairOf(keyPair).privateKey, password));
}

/** The private key, not encrypted, for those whose vault takes it so (RFC 7517). @returns {Promise<string>} JSON */
export async function jwk(keyPair, { kid } = {}) {
  // WebCrypto's alg would tie the key to RS256, and our OAuth 2.0 asks for PS256.
  const { alg, ext, key_ops, ...key } = await crypto.subtle.exportKey("jwk", pairOf(keyPair).privateKey);
  return JSON.stringify({ ...key, use: "sig", kid }, null, 2);
}

/** @returns {Promise<string>} PEM of the SubjectPublicKeyInfo */
export const publicPem = async (keyPair) => armored("PUBLIC KEY", await spki(keyPair));

/** The certificates of the server's answer, and nothing else that stood in it. @returns {Promise<string>} PEM */
export async function certificatePem({ keyPair, chainPem }) {
  const chain = await chainOf(keyPair, chainPem);
  return chain.map((certificate) => armored("CERTIFICATE", certificate)).join("");
}

/**
 * Java opens a key store only by a password of ASCII, and says of any other that it is wrong, so nothing else gets in.
 * @returns {"" | "password_not_ascii" | "password_short"}
 */
export function passwordProblem(password) {
  if (!/^[ -~]*$/.test(password)) return "password_not_ascii";
  return password.length < SHORTEST_PASSWORD ? "password_short" : "";
}

// The server's rule for names: no control characters, and none that make two names look alike or run backwards.
const UNSEEN = /[\0-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\p{Surrogate}]/u;

/** @returns {"" | "alias_empty" | "alias_long" | "alias_characters"} */
export function aliasProblem(alias) {
  if (!alias.trim()) return "alias_empty";
  if ([...alias].length > LONGEST_ALIAS) return "alias_long";
  return UNSEEN.test(alias) || alias.trim() !== alias ? "alias_characters" : "";
}

/** Five groups of five, 125 random bits, without the letters that are taken for digits: it may be typed from paper. */
export function generatePassword() {
  const letters = "0123456789abcdefghjkmnpqrstvwxyz"; // 32 of them: no remainder, so each is as likely as any other
  const drawn = Array.from(random(25), (octet) => letters[octet % letters.length]);
  return drawn.join("").match(/.{5}/g).join("-");
}

function refuse(reason) {
  if (reason) throw new Refused(reason);
}

function pairOf(keyPair) {
  const pair = pairs.get(keyPair);
  refuse(!pair && "key_forgotten");
  return pair;
}

const spki = async (keyPair) => new Uint8Array(await crypto.subtle.exportKey("spki", pairOf(keyPair).publicKey));

async function chainOf(keyPair, chainPem) {
  const chain = certificates(chainPem);
  refuse(!chain.length && "certificate_missing");
  // A certificate holds its key as it was sent, so finding it needs no parser.
  refuse(!latin1(chain[0]).includes(latin1(await spki(keyPair))) && "certificate_of_another_key");
  return chain;
}
