// DER (ITU-T X.690), written and never read: nothing here looks into what somebody else encoded.

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

/** X.690 11.6: the elements of a SET OF stand in the order of their encodings. */
export const setOf = (...parts) => element(0x31, ...parts.sort(compare));

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

/** Big-endian, with surrogate pairs for what BMPString has no room for: OpenSSL, Java and Python read them. */
export function utf16(text) {
  return Uint8Array.from([...Array(text.length).keys()].flatMap((at) => [text.charCodeAt(at) >> 8, text.charCodeAt(at)]));
}

function compare(one, other) {
  const at = one.findIndex((octet, index) => octet !== other[index]);
  return at < 0 ? one.length - other.length : one[at] - (other[at] ?? -1);
}
