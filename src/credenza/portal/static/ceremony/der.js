// DER (ITU-T X.690), written and never read: nothing here looks into what somebody else encoded. And PEM (RFC 7468).

/** @param {...Uint8Array} parts */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {number} tag @param {...Uint8Array} parts */
export function element(tag, ...parts) {
  const content = concat(...parts);
  const digits = [];
  for (let rest = content.length; rest > 0; rest >>>= 8) digits.unshift(rest & 0xff);
  const length = content.length < 0x80 ? [content.length] : [0x80 | digits.length, ...digits];
  return concat(Uint8Array.of(tag, ...length), content);
}

export const octets = (content) => element(0x04, content);
export const nothing = () => element(0x05);
export const sequence = (...parts) => element(0x30, ...parts);
/** Context-specific and constructed: [0], which is all that is needed. */
export const tagged = (...parts) => element(0xa0, ...parts);
/** Of whole octets: no bit of the last one is unused. */
export const bits = (content) => element(0x03, Uint8Array.of(0), content);
export const utf8 = (text) => element(0x0c, new TextEncoder().encode(text));
export const bmp = (text) => element(0x1e, utf16(text));

/** In the given order, where X.690 11.6 would sort: PKCS#12 asks for BER only, and elsewhere there is one element. */
export const setOf = (...parts) => element(0x31, ...parts);

/** @param {Uint8Array} magnitude big-endian */
export function unsigned(magnitude) {
  const start = magnitude.findIndex((octet) => octet !== 0);
  const digits = start < 0 ? Uint8Array.of(0) : magnitude.subarray(start);
  // X.690 8.3: a leading zero octet keeps the number positive.
  return element(0x02, Uint8Array.of(...(digits[0] & 0x80 ? [0] : [])), digits);
}

/** @param {number} number below 2^32 */
export const integer = (number) => unsigned(Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number));

/** X.690 8.19. @param {string} dotted such as "2.5.4.3" */
export function oid(dotted) {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  return element(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(number) {
  const digits = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

/** Big-endian, with surrogate pairs for what BMPString has no room for: Java and OpenSSL read them, Python shows no name. */
export function utf16(text) {
  return Uint8Array.from({ length: 2 * text.length }, (_, at) => text.charCodeAt(at >> 1) >> (at % 2 ? 0 : 8));
}

/** One character for each octet. @param {Uint8Array} der */
export const latin1 = (der) => Array.from(der, (octet) => String.fromCharCode(octet)).join("");

/** @param {string} label @param {Uint8Array} der */
export function armored(label, der) {
  const lines = btoa(latin1(der)).match(/.{1,64}/g);
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** The certificates of a text, in its order. @param {string} text @returns {Uint8Array[]} */
export function certificates(text) {
  const blocks = text.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g);
  return Array.from(blocks, ([, block]) => Uint8Array.from(atob(block), (octet) => octet.charCodeAt(0)));
}
