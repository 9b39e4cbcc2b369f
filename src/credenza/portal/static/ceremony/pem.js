// PEM (RFC 7468).

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
