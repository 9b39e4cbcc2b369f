// Encryption by password: PBES2 (RFC 8018 6.2) with AES-256-CBC and PBKDF2 with HMAC-SHA-256.

import { integer, nothing, octets, oid, sequence } from "./der.js";

/**
 * For the encryption and for the MAC of a key store alike: whoever tries passwords takes the cheaper one. A hundred
 * thousand cost half a second here, and a password has 12 characters or more; ours have 125 random bits.
 */
export const ITERATIONS = 100_000;

const PBES2 = oid("1.2.840.113549.1.5.13");
const PBKDF2 = oid("1.2.840.113549.1.5.12");
const HMAC_SHA256 = sequence(oid("1.2.840.113549.2.9"), nothing());
const AES_256_CBC = oid("2.16.840.1.101.3.4.1.42");
const SALT_OCTETS = 16;

export const random = (length) => crypto.getRandomValues(new Uint8Array(length));
export const salt = () => random(SALT_OCTETS);

/**
 * @param {Uint8Array} content @param {string} password ASCII
 * @returns {Promise<{algorithm: Uint8Array, encrypted: Uint8Array}>} algorithm is an AlgorithmIdentifier
 */
export async function encrypt(content, password) {
  const drawn = salt();
  const iv = random(16);
  const key = await derive(password, drawn);
  const encrypted = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, content));
  return { algorithm: algorithm(drawn, iv), encrypted };
}

async function derive(password, drawn) {
  const secret = await crypto.subtle.importKey("raw", new TextEncoder().encode(password), "PBKDF2", false, ["deriveKey"]);
  const terms = { name: "PBKDF2", hash: "SHA-256", salt: drawn, iterations: ITERATIONS };
  return crypto.subtle.deriveKey(terms, secret, { name: "AES-CBC", length: 256 }, false, ["encrypt"]);
}

function algorithm(drawn, iv) {
  const derivation = sequence(PBKDF2, sequence(octets(drawn), integer(ITERATIONS), HMAC_SHA256));
  return sequence(PBES2, sequence(derivation, sequence(AES_256_CBC, octets(iv))));
}

/** RFC 5958 section 3: EncryptedPrivateKeyInfo. @param {CryptoKey} privateKey @param {string} password */
export async function encryptKey(privateKey, password) {
  const plain = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const { algorithm, encrypted } = await encrypt(plain, password);
  plain.fill(0);
  return sequence(algorithm, octets(encrypted));
}
