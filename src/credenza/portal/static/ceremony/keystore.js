// Key stores: PKCS#12 (RFC 7292) with one key, its certificate and the certificates of its issuers.

import { bmp, concat, element, integer, nothing, octets, oid, sequence, setOf, tagged, utf16 } from "./der.js";
import { ITERATIONS, encrypt, encryptKey, salt } from "./encryption.js";

const DATA = oid("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA = oid("1.2.840.113549.1.7.6");
const SHROUDED_KEY_BAG = oid("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG = oid("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE = oid("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME = oid("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID = oid("1.2.840.113549.1.9.21");
const SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"), nothing());

const HASH_BLOCK_OCTETS = 64;
const MAC_PURPOSE = 3; // RFC 7292 B.3
const SLICE_MS = 20; // a task that blocks the page for less than 50 ms goes unnoticed

/**
 * @param {CryptoKey} privateKey @param {Uint8Array[]} chain its certificate first
 * @param {{alias: string, password: string, onProgress: (share: number) => void}} options
 * @returns {Promise<Uint8Array>}
 */
export async function write(privateKey, [leaf, ...issuers], { alias, password, onProgress }) {
  const attributes = setOf(
    sequence(FRIENDLY_NAME, setOf(bmp(alias))),
    sequence(LOCAL_KEY_ID, setOf(octets(new Uint8Array(await crypto.subtle.digest("SHA-256", leaf))))),
  );
  const key = sequence(SHROUDED_KEY_BAG, tagged(await encryptKey(privateKey, password)), attributes);
  const certificates = sequence(certificateBag(leaf, attributes), ...issuers.map((issuer) => certificateBag(issuer)));
  const safe = sequence(await encryptedContent(certificates, password), content(sequence(key)));
  return sequence(integer(3), content(safe), await mac(safe, password, onProgress));
}

function certificateBag(certificate, ...attributes) {
  return sequence(CERTIFICATE_BAG, tagged(sequence(X509_CERTIFICATE, tagged(octets(certificate)))), ...attributes);
}

const content = (plain) => sequence(DATA, tagged(octets(plain)));

async function encryptedContent(plain, password) {
  const { algorithm, encrypted } = await encrypt(plain, password);
  const implicit = element(0x80, encrypted);
  return sequence(ENCRYPTED_DATA, tagged(sequence(integer(0), sequence(DATA, algorithm, implicit))));
}

async function mac(safe, password, onProgress) {
  const drawn = salt();
  const raw = await macKey(password, drawn, onProgress);
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const digest = new Uint8Array(await crypto.subtle.sign("HMAC", key, safe));
  return sequence(sequence(SHA256, octets(digest)), octets(drawn), integer(ITERATIONS));
}

/** RFC 7292 B.2 for SHA-256 and a key of one hash, so that its step 6 runs once. No browser brings this derivation. */
async function macKey(password, drawn, onProgress) {
  const purpose = new Uint8Array(HASH_BLOCK_OCTETS).fill(MAC_PURPOSE);
  let digest = concat(purpose, filled(drawn), filled(utf16(`${password}\0`)));
  let sliceEnds = performance.now() + SLICE_MS;
  for (let done = 0; done < ITERATIONS; done++) {
    digest = await crypto.subtle.digest("SHA-256", digest);
    // Awaiting a digest lets nothing else run. A hidden page needs no pause, and its timers would run once a second.
    if (performance.now() < sliceEnds || document.hidden) continue;
    onProgress(done / ITERATIONS);
    await pause();
    sliceEnds = performance.now() + SLICE_MS;
  }
  onProgress(1);
  return digest;
}

function filled(octets) {
  const length = Math.ceil(octets.length / HASH_BLOCK_OCTETS) * HASH_BLOCK_OCTETS;
  return Uint8Array.from({ length }, (_, at) => octets[at % octets.length]);
}

// Not scheduler.yield, which goes on before the next frame and before timers: the page would show a quarter of its frames.
const pause = () => new Promise((resume) => setTimeout(resume));
