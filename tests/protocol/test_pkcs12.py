"""Key files: each is what it claims to be, and opens where people open it."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from tests.java import KEYTOOL
from tests.protocol import forge

from credenza.protocol import der, distinguished_name, issuance
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.pkcs12 import (
    PrivateKeyFormat,
    check_password,
    load_private_key,
    write_encrypted_private_key,
    write_pkcs12,
    write_private_key,
)

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
PASSWORD = "keystore password ~!"
ALIAS = "schlüssel-1"


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class KeyStore:
    def __init__(self, private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self.private_key = private_key
        root_key = ec.generate_private_key(ec.SECP256R1())
        period = issuance.validity(NOW, ends_at=NOW + timedelta(days=36_500))
        self.root = issuance.make_root(
            root_key,
            subject=distinguished_name.to_name((("CN", "Root"),)),
            public_key=root_key.public_key(),
            serial_number=1,
            validity=period,
        )
        self.leaf = issuance.make_leaf(
            root_key,
            self.root,
            profile=issuance.CLIENT_LEAF,
            subject=distinguished_name.to_name((("CN", "billing"),)),
            public_key=private_key.public_key(),
            serial_number=2,
            validity=period,
        )
        self.octets = write_pkcs12(private_key, self.leaf, (self.root,), alias=ALIAS, password=PASSWORD)


@pytest.fixture(scope="module", params=["RSA", "EC"])
def store(request: pytest.FixtureRequest, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey) -> KeyStore:
    return KeyStore({"RSA": rsa_key, "EC": ec_key}[request.param])


@pytest.fixture
def store_file(tmp_path: Path, store: KeyStore) -> Path:
    path = tmp_path / "store.p12"
    path.write_bytes(store.octets)
    return path


def numbers(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> object:
    return key.private_numbers()


# Key stores


def test_cryptography_opens_a_key_store_with_alias_and_chain(store: KeyStore) -> None:
    opened = pkcs12.load_pkcs12(store.octets, PASSWORD.encode())

    assert numbers(opened.key) == numbers(store.private_key)
    assert (opened.cert.certificate, opened.cert.friendly_name) == (store.leaf, ALIAS.encode())
    assert [certificate.certificate for certificate in opened.additional_certs] == [store.root]


def test_openssl_opens_a_key_store_and_reports_100_000_iterations_throughout(store_file: Path) -> None:
    opened = subprocess.run(
        ["openssl", "pkcs12", "-in", store_file, "-info", "-nodes", "-passin", f"pass:{PASSWORD}"],
        check=True,
        capture_output=True,
    )

    report = opened.stderr.decode()
    assert "MAC: sha256, Iteration 100000" in report
    assert report.count("PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256") == 2
    # OpenSSL prints what is BMPString in the file as Latin-1.
    assert opened.stdout.count(b"friendlyName: " + ALIAS.encode("latin-1")) == 2
    assert opened.stdout.count(b"BEGIN CERTIFICATE") == 2
    assert opened.stdout.count(b"BEGIN PRIVATE KEY") == 1


@pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool comes with a JDK, and none is installed")
def test_java_opens_a_key_store_and_decrypts_its_key(tmp_path: Path, store_file: Path) -> None:
    listed = run(*KEYTOOL, "-J-Dfile.encoding=UTF-8", "-list", "-v", "-keystore", store_file, "-storepass", PASSWORD)
    copy = tmp_path / "copy.p12"
    passwords = ["-srcstorepass", PASSWORD, "-deststorepass", PASSWORD]
    run(*KEYTOOL, "-importkeystore", "-srckeystore", store_file, "-destkeystore", copy, *passwords)

    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 2" in listed
    assert load_private_key(copy.read_bytes(), PASSWORD)


def test_a_wrong_password_does_not_open_a_key_store(store: KeyStore, store_file: Path) -> None:
    with pytest.raises(Refused) as caught:
        load_private_key(store.octets, PASSWORD + "x")

    assert caught.value.reason == "password"
    with pytest.raises(subprocess.CalledProcessError):
        run("openssl", "pkcs12", "-in", store_file, "-nodes", "-passin", "pass:something else")


@pytest.mark.parametrize("password", ["p" * 12, "p" * 64, "p" * 200, "".join(map(chr, range(0x20, 0x7F)))])
def test_passwords_of_any_length_make_a_mac_that_openssl_accepts(tmp_path: Path, ec_key, password: str) -> None:
    store = KeyStore(ec_key)
    (tmp_path / "store.p12").write_bytes(
        write_pkcs12(ec_key, store.leaf, (store.root,), alias="keyalias", password=password)
    )
    (tmp_path / "password").write_text(password)

    opened = run("openssl", "pkcs12", "-in", tmp_path / "store.p12", "-noenc", "-passin", f"file:{tmp_path}/password")

    assert "BEGIN PRIVATE KEY" in opened


@pytest.mark.parametrize(
    "password", ["", "elevenchars", "pässword-with-umlaut", "twelve\tchars!", "password\nwith newline"]
)
def test_a_password_that_java_would_refuse_or_that_is_short_is_refused(ec_key, password: str) -> None:
    with pytest.raises(Refused) as checked:
        check_password(password)
    with pytest.raises(Refused) as written:
        write_encrypted_private_key(ec_key, password=password)

    assert checked.value.reason == written.value.reason == "password"
    assert not password or password not in str(checked.value)


# Private keys


def test_pkcs1_pem_really_is_pkcs1(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    written = write_private_key(rsa_key, PrivateKeyFormat.PKCS1_PEM)
    (tmp_path / "key.pem").write_bytes(written)

    assert written.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    assert run("openssl", "pkey", "-in", tmp_path / "key.pem", "-traditional") == written.decode()


@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_pkcs8_pem_and_der_really_are_pkcs8(tmp_path: Path, rsa_key, ec_key, kind: str) -> None:
    key = {"RSA": rsa_key, "EC": ec_key}[kind]
    pem, encoded = (write_private_key(key, kind) for kind in (PrivateKeyFormat.PKCS8_PEM, PrivateKeyFormat.PKCS8_DER))
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "key.der").write_bytes(encoded)

    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", tmp_path / "key.pem") == pem.decode()
    assert run("openssl", "pkcs8", "-inform", "DER", "-nocrypt", "-in", tmp_path / "key.der") == pem.decode()


def test_an_ec_key_has_no_pkcs1(ec_key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(Refused) as caught:
        write_private_key(ec_key, PrivateKeyFormat.PKCS1_PEM)

    assert caught.value.reason == "key_type"


@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_encrypted_pkcs8_is_read_by_others_and_takes_100_000_iterations(tmp_path: Path, rsa_key, ec_key, kind) -> None:
    key = {"RSA": rsa_key, "EC": ec_key}[kind]
    written = write_encrypted_private_key(key, password=PASSWORD)
    (tmp_path / "key.pem").write_bytes(written)

    assert written.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert max(map(len, written.splitlines())) == 64
    assert numbers(load_pem_private_key(written, PASSWORD.encode())) == numbers(key)
    assert "is valid" in run(
        "openssl", "pkey", "-in", tmp_path / "key.pem", "-passin", f"pass:{PASSWORD}", "-noout", "-check"
    )
    assert ":0186A0" in run("openssl", "asn1parse", "-in", tmp_path / "key.pem")


# Reading


def encodings(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> list[bytes]:
    encrypted = BestAvailableEncryption(PASSWORD.encode())
    return [
        key.private_bytes(encoding, container, encryption)
        for encoding in (Encoding.PEM, Encoding.DER)
        for container, encryption in (
            (PrivateFormat.PKCS8, NoEncryption()),
            (PrivateFormat.TraditionalOpenSSL, NoEncryption()),
            (PrivateFormat.PKCS8, encrypted),
        )
    ] + [key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encrypted)]


def test_every_format_is_read_with_or_without_need_of_the_password(store: KeyStore) -> None:
    for octets in (store.octets, *encodings(store.private_key)):
        assert numbers(load_private_key(octets, PASSWORD)) == numbers(store.private_key)


def test_an_encrypted_key_asks_for_its_password_and_knows_a_wrong_one(store: KeyStore) -> None:
    encrypted = [octets for octets in (store.octets, *encodings(store.private_key)) if not is_plain(octets)]

    assert len(encrypted) == 4
    for octets in encrypted:
        for password in (None, "", "something else"):
            with pytest.raises(Refused) as caught:
                load_private_key(octets, password)

            assert caught.value.reason == "password"
            assert caught.value.__cause__ is None


def is_plain(octets: bytes) -> bool:
    try:
        load_private_key(octets, None)
    except Refused:
        return False
    return True


def certificate_of(store: KeyStore) -> bytes:
    return store.leaf.public_bytes(Encoding.PEM)


def test_what_is_no_private_key_is_malformed_and_never_echoed(store: KeyStore) -> None:
    pem = write_private_key(store.private_key, PrivateKeyFormat.PKCS8_PEM)
    only_certificates = pkcs12.serialize_key_and_certificates(None, None, store.leaf, None, NoEncryption())
    bad = {
        "prose": b"my secret words",
        "nothing": b"",
        "a certificate": certificate_of(store),
        "a certificate in DER": store.leaf.public_bytes(Encoding.DER),
        "a damaged key": pem.replace(b"M", b"*"),
        "a key store without a key": only_certificates,
        "numbers": forge.sequence(der.encode_unsigned(0), der.encode_unsigned(1)),
    }

    for octets in bad.values():
        with pytest.raises(Malformed) as caught:
            load_private_key(octets, None)

        assert caught.value.field == "private_key"
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_keys_of_other_kinds_are_refused() -> None:
    octets = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(Refused) as caught:
        load_private_key(octets, None)

    assert caught.value.reason == "key_type"
