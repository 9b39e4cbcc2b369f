"""An authenticator in software, for what no browser would send: wrong origins, replays, counters that go back.

    key = SoftAuthenticator("https://desk.example.com")
    response = key.create(options)      # as navigator.credentials.create answers, as JSON
    response = key.get(options)         # as navigator.credentials.get answers

Every part of an answer can be told to be wrong. The options are the JSON that the server writes.
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, TypeAlias

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def b64u(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64u(text: str) -> bytes:
    return urlsafe_b64decode(text + "===")


class SoftAuthenticator:
    """One key for one site. `sign_count` counts up with every answer; set it to make a copy tell itself."""

    def __init__(self, origin: str, key: PrivateKey | None = None) -> None:
        self.origin = origin
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.user_handle = b""
        self.sign_count = 0

    def create(self, options: str, **wrong: Any) -> str:
        asked = json.loads(options)
        self.user_handle = unb64u(asked["user"]["id"])
        client_data = self._client_data("webauthn.create", asked["challenge"], wrong)
        rp_id = wrong.get("rp_id", asked["rp"]["id"])
        data = self._authenticator_data(rp_id, wrong.get("flags", PRESENT | VERIFIED) | HAS_KEY) + self._attested(wrong)
        statement = wrong.get("statement", ("none", {}))
        attestation = cbor2.dumps({"fmt": statement[0], "attStmt": statement[1], "authData": data})
        return self._answer({"clientDataJSON": b64u(client_data), "attestationObject": b64u(attestation)}, wrong)

    def get(self, options: str, **wrong: Any) -> str:
        asked = json.loads(options)
        client_data = self._client_data("webauthn.get", asked["challenge"], wrong)
        self.sign_count += 1
        data = self._authenticator_data(wrong.get("rp_id", asked["rpId"]), wrong.get("flags", PRESENT | VERIFIED))
        signature = wrong.get("signature", self.sign(data + hashlib.sha256(client_data).digest()))
        handle = wrong.get("user_handle", self.user_handle)
        response = {
            "clientDataJSON": b64u(client_data),
            "authenticatorData": b64u(data),
            "signature": b64u(signature),
            "userHandle": None if handle is None else b64u(handle),
        }
        return self._answer(response, wrong)

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(message)

    def _client_data(self, kind: str, challenge: str, wrong: dict[str, Any]) -> bytes:
        said = {"type": wrong.get("type", kind), "challenge": challenge, "origin": wrong.get("origin", self.origin)}
        return wrong.get("client_data") or json.dumps(said | wrong.get("also", {})).encode()

    def _authenticator_data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4)

    def _attested(self, wrong: dict[str, Any]) -> bytes:
        identity = wrong.get("inner_id", self.credential_id)
        return bytes(16) + len(identity).to_bytes(2) + identity + cbor2.dumps(wrong.get("cose", self._cose()))

    def _cose(self) -> dict[int, Any]:
        public = self.key.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes(Encoding.Raw, PublicFormat.Raw)}
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return {1: 3, 3: -257, -1: numbers.n.to_bytes(public.key_size // 8), -2: numbers.e.to_bytes(3)}
        point = public.public_numbers()
        size = (public.curve.key_size + 7) // 8
        curve = {"secp256r1": 1, "secp384r1": 2}[public.curve.name]
        return {1: 2, 3: -7, -1: curve, -2: point.x.to_bytes(size), -3: point.y.to_bytes(size)}

    def _answer(self, response: dict[str, Any], wrong: dict[str, Any]) -> str:
        identity = b64u(wrong.get("credential_id", self.credential_id))
        answer = {"id": identity, "rawId": identity, "type": "public-key", "response": response}
        return json.dumps(answer | {"clientExtensionResults": {}})
