"""A client's key in a file: every format that the portal and OpenSSL make, and read again when the file changes."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.clock import NOON

from credenza.client import keys
from credenza.client.keys import ClientKey, GivenKey, KeyFile
from credenza.protocol import jose, pkcs12
from credenza.protocol.errors import Malformed, Refused

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
KID = "ab" * 16 + "0" * 16
PASSWORD = "correct horse battery"
PLAIN = NoEncryption()


def store(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "till")])
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, NOON, NOON + timedelta(days=1)).sign(
        key, SHA256()
    )
    return pkcs12.write_pkcs12(key, certificate, (), alias="keyalias", password=PASSWORD)


def jwk(key: Any, **more: str) -> bytes:
    numbers = key.private_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        members = {"d": numbers.d, "p": numbers.p, "q": numbers.q}
        members |= {"dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    else:
        members = {"d": numbers.private_value}
    private = {name: encoded(number) for name, number in members.items()}
    return json.dumps({**jose.jwk(key.public_key()), **private, **more}).encode()


def encoded(number: int) -> str:
    return jose.encode(number.to_bytes((number.bit_length() + 7) // 8)).decode()


FORMATS = {
    "PKCS#12": store,
    "PKCS#1 or SEC 1 PEM": lambda key: key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, PLAIN),
    "PKCS#8 PEM": lambda key: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, PLAIN),
    "PKCS#8 DER": lambda key: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, PLAIN),
    "encrypted PEM": lambda key: key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())
    ),
    "JWK": jwk,
}


def same(one: Any, other: Any) -> bool:
    return bool(one.private_numbers() == other.private_numbers())


@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ec"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(key: Any, name: str) -> None:
    found = keys.read(FORMATS[name](key), password=PASSWORD, kid=KID)

    assert same(found.private_key, key)
    assert found.kid == KID


def test_a_jwk_names_its_key_id() -> None:
    assert keys.read(jwk(EC, kid=KID)).kid == KID
    assert keys.read(jwk(EC)).kid is None
    assert keys.read(jwk(EC, kid="other"), kid=KID).kid == KID


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_pem_file_may_name_its_key_id_before_the_key(end: str) -> None:
    pem = FORMATS["PKCS#8 PEM"](RSA)

    assert keys.read(f"made for the till{end}kid: {KID}{end}".encode() + pem).kid == KID
    assert keys.read(pem + f"kid: {KID}\n".encode()).kid is None


@pytest.mark.parametrize("password", [None, "wrong password!"])
@pytest.mark.parametrize("name", ["PKCS#12", "encrypted PEM"])
def test_a_password_that_is_missing_or_wrong_is_said_to_be(name: str, password: str | None) -> None:
    with pytest.raises(Refused) as refused:
        keys.read(FORMATS[name](EC), password=password)

    assert refused.value.reason == "password"


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AQ"},
        {"d": "!"},
        {"x": encoded(2**255)},
        {"kty": "oct"},
        {"crv": "P-521"},
        {"d": 1},
    ],
    ids=str,
)
def test_a_jwk_that_is_no_key_is_refused_without_being_repeated(change: dict[str, Any]) -> None:
    members = json.loads(jwk(EC))

    with pytest.raises((Malformed, Refused)) as caught:
        keys.read(json.dumps({**members, **change}).encode())

    assert members["d"] not in str(caught.value)


@pytest.mark.parametrize("member", ["p", "q", "dp", "dq", "qi"])
def test_an_rsa_jwk_needs_its_primes_and_they_have_to_be_its_own(member: str) -> None:
    members = json.loads(jwk(RSA))

    for change in ({}, {member: "AQAB"}):
        with pytest.raises(Malformed):
            keys.read(json.dumps({name: value for name, value in members.items() if name != member} | change).encode())


def test_a_public_jwk_is_not_enough() -> None:
    with pytest.raises(Malformed):
        keys.read(json.dumps(jose.jwk(EC.public_key())).encode())


def test_a_file_is_read_once_while_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "key.jwk"
    path.write_bytes(jwk(EC, kid=KID))
    file = KeyFile(path)

    assert file.current() is file.current()
    assert file.current().kid == KID


def test_a_key_is_picked_up_again_when_its_file_changes(tmp_path: Path) -> None:
    path, new = tmp_path / "key.jwk", tmp_path / "new.jwk"
    path.write_bytes(jwk(EC, kid=KID))
    file = KeyFile(path)
    file.current()
    new.write_bytes(jwk(RSA, kid="new"))
    new.replace(path)

    found = file.current()

    assert (found.kid, same(found.private_key, RSA)) == ("new", True)


@pytest.mark.parametrize("broken", [b"", b"half a fi", None])
def test_while_a_new_file_cannot_be_read_the_old_key_is_used_on(tmp_path: Path, broken: bytes | None) -> None:
    path = tmp_path / "key.jwk"
    path.write_bytes(jwk(EC, kid=KID))
    file = KeyFile(path)
    file.current()
    path.unlink() if broken is None else path.write_bytes(broken)

    assert file.current().kid == KID

    path.write_bytes(jwk(RSA, kid="new"))
    assert file.current().kid == "new"


def test_a_file_that_was_never_good_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KeyFile(tmp_path / "none").current()
    (tmp_path / "bad").write_bytes(b"bad")
    with pytest.raises(Malformed):
        KeyFile(tmp_path / "bad").current()


def test_a_given_key_stays_and_is_in_no_repr() -> None:
    key = ClientKey(EC, KID)

    assert GivenKey(key).current() is key
    assert "EllipticCurve" not in repr(GivenKey(key))
