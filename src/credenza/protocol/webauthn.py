"""Passkeys: Web Authentication Level 3, sections 7.1 (registration) and 7.2 (assertion), with the library webauthn.

Bounded before the library computes with it: sizes, the kinds of keys and of attestation. Not here: whether a challenge
is ours and unused, whose passkey it is and whether its counter went forward.

Order of use: `creation_options`, then `parse_attestation` and `check_attestation`, once; `request_options`, then
`parse_assertion` and `check_assertion`, at every sign-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeVar

import msgspec
import webauthn
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, parse_attestation_object
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from credenza.protocol import public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import decode, encode, read

LARGEST_RESPONSE: Final = 16_384
LONGEST_CREDENTIAL_ID: Final = 1023  # section 4, "Credential ID"
_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_ATTESTATIONS: Final = ("none", "packed")
# What the library lets through of hostile bytes, found by feeding it some (tests/protocol/test_webauthn.py).
_LIBRARY_ERRORS: Final = (WebAuthnException, UnsupportedAlgorithm, ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys are good: the relying party's id, a host name, and the one origin that may ask for them."""

    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a new passkey is for. `handle` comes back with every assertion; the names are shown by authenticators."""

    handle: bytes
    name: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Attestation:
    """A browser's answer to `navigator.credentials.create`. Nothing of it is proven before `check_attestation`."""

    credential_id: bytes
    client_data: bytes
    attestation_object: bytes
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Assertion:
    """A browser's answer to `navigator.credentials.get`. Nothing of it is proven before `check_assertion`."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes | None
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Registered:
    credential_id: bytes
    public_key: bytes
    sign_count: int


# ------------------------------------------------------------------------------------------------------------ options


def creation_options(
    site: Site, account: Account, challenge: bytes, *, known: Sequence[bytes], life: timedelta, rp_name: str
) -> str:
    """Write what `navigator.credentials.create` is given: a discoverable key that asks for the user's finger or PIN."""
    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name=rp_name,
        user_id=account.handle,
        user_name=account.name,
        user_display_name=account.display_name,
        challenge=challenge,
        timeout=_milliseconds(life),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return webauthn.options_to_json(options)


def request_options(site: Site, challenge: bytes, *, allowed: Sequence[bytes] = (), life: timedelta) -> str:
    """Write what `navigator.credentials.get` is given. With no passkey named, the user chooses among all they have."""
    options = webauthn.generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge,
        timeout=_milliseconds(life),
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


# ---------------------------------------------------------------------------------------------------------- responses


def parse_attestation(text: str) -> Attestation:
    """Read a RegistrationResponseJSON. Raises Malformed("response" | "client data")."""
    sent = _read(text, _RegistrationJson)
    client_data = decode(sent.response.client_data.encode(), "response")
    return Attestation(
        credential_id=_credential_id(sent.raw_id),
        client_data=client_data,
        attestation_object=decode(sent.response.attestation_object.encode(), "response"),
        challenge=_challenge(client_data),
    )


def parse_assertion(text: str) -> Assertion:
    """Read an AuthenticationResponseJSON. Raises Malformed("response" | "client data")."""
    sent = _read(text, _AuthenticationJson)
    client_data = decode(sent.response.client_data.encode(), "response")
    handle = sent.response.user_handle
    return Assertion(
        credential_id=_credential_id(sent.raw_id),
        client_data=client_data,
        authenticator_data=decode(sent.response.authenticator_data.encode(), "response"),
        signature=decode(sent.response.signature.encode(), "response"),
        user_handle=None if handle is None else decode(handle.encode(), "response"),
        challenge=_challenge(client_data),
    )


def check_attestation(attestation: Attestation, site: Site) -> Registered:
    """Prove that this passkey was made here, for the challenge it names and with its user verified.

    Raises Refused("attestation" | "key_type" | "key_size" | "weak_key").
    """
    with _refusing("attestation"):
        _check_statement(attestation.attestation_object)
        verified = webauthn.verify_registration_response(
            credential=RegistrationCredential(
                id=encode(attestation.credential_id).decode(),
                raw_id=attestation.credential_id,
                response=AuthenticatorAttestationResponse(attestation.client_data, attestation.attestation_object),
            ),
            expected_challenge=attestation.challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    if verified.credential_id != attestation.credential_id:
        raise Refused("attestation", "The passkey has another id inside the attestation than outside.")
    return Registered(verified.credential_id, verified.credential_public_key, verified.sign_count)


def check_assertion(assertion: Assertion, site: Site, *, credential_public_key: bytes) -> int:
    """Prove that this passkey signed here, for the challenge it names and with its user verified.

    Returns the passkey's counter. Raises Refused("assertion").
    """
    with _refusing("assertion"):
        verified = webauthn.verify_authentication_response(
            credential=AuthenticationCredential(
                id=encode(assertion.credential_id).decode(),
                raw_id=assertion.credential_id,
                response=AuthenticatorAssertionResponse(
                    assertion.client_data, assertion.authenticator_data, assertion.signature
                ),
            ),
            expected_challenge=assertion.challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=credential_public_key,
            # The library would judge the counter before the signature: anybody could claim that it went back.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    return verified.new_sign_count


# ------------------------------------------------------------------------------------------------------------ private


class _AttestationJson(msgspec.Struct, frozen=True):
    client_data: str = msgspec.field(name="clientDataJSON")
    attestation_object: str = msgspec.field(name="attestationObject")


class _AssertionJson(msgspec.Struct, frozen=True):
    client_data: str = msgspec.field(name="clientDataJSON")
    authenticator_data: str = msgspec.field(name="authenticatorData")
    signature: str
    user_handle: str | None = msgspec.field(name="userHandle", default=None)


class _RegistrationJson(msgspec.Struct, frozen=True):
    raw_id: str = msgspec.field(name="rawId")
    type: Literal["public-key"]
    response: _AttestationJson


class _AuthenticationJson(msgspec.Struct, frozen=True):
    raw_id: str = msgspec.field(name="rawId")
    type: Literal["public-key"]
    response: _AssertionJson


class _ClientData(msgspec.Struct, frozen=True):
    """Section 5.8.1. The library checks `type` and `origin`."""

    challenge: str
    cross_origin: bool = msgspec.field(name="crossOrigin", default=False)


_Json = TypeVar("_Json")


def _read(text: str, shape: type[_Json]) -> _Json:
    if len(text) > LARGEST_RESPONSE:
        raise Malformed("response", f"The answer is longer than {LARGEST_RESPONSE} characters.")
    return read(text.encode(), shape, "response")


def _credential_id(text: str) -> bytes:
    found = decode(text.encode(), "response")
    if not 1 <= len(found) <= LONGEST_CREDENTIAL_ID:
        raise Malformed("response", f"A passkey's id has 1 to {LONGEST_CREDENTIAL_ID} bytes.")
    return found


def _challenge(client_data: bytes) -> bytes:
    found = read(client_data, _ClientData, "client data")
    # Section 7.2, step on crossOrigin: no page of ours asks for a passkey inside another site's frame.
    if found.cross_origin:
        raise Malformed("client data", "A page of another site asked for the passkey.")
    return decode(found.challenge.encode(), "client data")


def _check_statement(attestation_object: bytes) -> None:
    """Keep certificates and exotic keys from the library: none was asked for, and browsers send what is asked for."""
    found = parse_attestation_object(attestation_object)
    if found.fmt not in _ATTESTATIONS or found.att_stmt.x5c is not None:
        raise Refused("attestation", "The passkey came with an attestation, though none was asked for.")
    if found.auth_data.attested_credential_data is None:
        raise Refused("attestation", "The answer holds no passkey.")
    decoded = decode_credential_public_key(found.auth_data.attested_credential_data.credential_public_key)
    key = decoded_public_key_to_cryptography(decoded)
    if not isinstance(key, Ed25519PublicKey):
        public_key.check_type_and_size(key, allow_ec=True)


@contextmanager
def _refusing(reason: str) -> Iterator[None]:
    try:
        yield
    except Refused:
        raise
    except _LIBRARY_ERRORS as error:
        raise Refused(reason, str(error)[:300]) from error


def _milliseconds(life: timedelta) -> int:
    return life // timedelta(milliseconds=1)
