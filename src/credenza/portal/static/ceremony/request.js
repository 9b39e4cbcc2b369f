// Certification requests: PKCS#10 (RFC 2986).

import { bits, integer, nothing, oid, sequence, setOf, tagged, unsigned, utf8 } from "./der.js";

const COMMON_NAME = oid("2.5.4.3");
const ORGANIZATION = oid("2.5.4.10");
const ORGANIZATIONAL_UNIT = oid("2.5.4.11");
const SHA256_WITH_RSA = sequence(oid("1.2.840.113549.1.1.11"), nothing());
const ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2")); // RFC 5758 3.2: without parameters

/**
 * Signed by its own key, which proves to the server that the sender holds it.
 * @param {CryptoKeyPair} pair
 * @param {{commonName: string, organization?: string, organizationalUnit?: string}} subject
 * @returns {Promise<Uint8Array>}
 */
export async function write(pair, { commonName, organization, organizationalUnit }) {
  const names = [
    organization && attribute(ORGANIZATION, organization),
    organizationalUnit && attribute(ORGANIZATIONAL_UNIT, organizationalUnit),
    attribute(COMMON_NAME, commonName),
  ];
  const key = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const claim = sequence(integer(0), sequence(...names.filter(Boolean)), key, tagged());
  const [algorithm, signature] = await sign(pair.privateKey, claim);
  return sequence(claim, algorithm, bits(signature));
}

const attribute = (type, value) => setOf(sequence(type, utf8(value)));

async function sign(privateKey, claim) {
  const { name } = privateKey.algorithm;
  const signature = new Uint8Array(await crypto.subtle.sign({ name, hash: "SHA-256" }, privateKey, claim));
  return name === "ECDSA" ? [ECDSA_WITH_SHA256, pairOfNumbers(signature)] : [SHA256_WITH_RSA, signature];
}

/** WebCrypto answers r and s end to end; X.509 wants them as two numbers (RFC 3279 2.2.3). */
function pairOfNumbers(signature) {
  const half = signature.length / 2;
  return sequence(unsigned(signature.subarray(0, half)), unsigned(signature.subarray(half)));
}
