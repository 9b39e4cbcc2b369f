"""Private keys in a real PKCS#11 token: they sign there, and when they cannot, that is said aloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.adapters.tokens import MODULE, SoftToken
from tests.protocol.authorities import NOW, Party

from credenza.adapters.key_token import KeyAway
from credenza.adapters.pkcs11 import Pkcs11Tokens
from credenza.protocol import crl

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    monkeypatch.setenv("SOFTHSM2_CONF", "")
    return SoftToken(tmp_path)


def tokens(token: SoftToken) -> Pkcs11Tokens:
    return Pkcs11Tokens(MODULE, token.pin_file)


@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["EC", "RSA"])
def test_a_key_in_a_token_certifies_and_signs_lists(token: SoftToken, key) -> None:
    held = tokens(token).open(token.put(key, "issuing"))
    party = Party("Issuing", held)
    identifier = x509.SubjectKeyIdentifier.from_public_key(held.public_key())
    authority = party.root(extensions=[(identifier, False)])

    party.certify(Party("client")).verify_directly_issued_by(authority)
    made = crl.build(held, authority, (), number=1, this_update=NOW, next_update=NOW.replace(year=2026))

    assert held.public_key() == key.public_key()
    assert x509.load_der_x509_crl(made).is_signature_valid(key.public_key())


def test_a_key_is_found_by_its_id_and_the_token_s_serial_number_as_well(token: SoftToken) -> None:
    token.put(EC_KEY, "issuing", "a1b2")

    assert tokens(token).open("pkcs11:token=credenza;id=%a1%b2;type=private").public_key() == EC_KEY.public_key()


def test_a_key_never_leaves_its_token(token: SoftToken) -> None:
    held = tokens(token).open(token.put(EC_KEY, "issuing"))

    with pytest.raises(KeyAway):
        held.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyAway):
        held.private_numbers()


def test_a_wrong_pin_is_said_aloud(token: SoftToken) -> None:
    uri = token.put(EC_KEY, "issuing")
    token.pin_file.write_text("000000")

    with pytest.raises(KeyAway, match="the PIN is wrong"):
        tokens(token).open(uri)


def test_a_pin_that_others_can_read_is_not_used(token: SoftToken) -> None:
    uri = token.put(EC_KEY, "issuing")
    token.pin_file.chmod(0o644)

    with pytest.raises(KeyAway, match="chmod 600"):
        tokens(token).open(uri)


def test_a_token_that_is_not_there_is_said_aloud(token: SoftToken) -> None:
    uri = token.put(EC_KEY, "issuing")
    token.remove()

    with pytest.raises(KeyAway, match="no such token"):
        tokens(token).open(uri)


def test_a_key_that_is_not_in_the_token_is_said_aloud(token: SoftToken) -> None:
    token.put(EC_KEY, "issuing")

    with pytest.raises(KeyAway, match="no such key"):
        tokens(token).open("pkcs11:token=credenza;object=other")


def test_a_module_that_is_not_there_is_said_aloud(token: SoftToken) -> None:
    with pytest.raises(KeyAway):
        Pkcs11Tokens(Path("/nonexistent.so"), None).open("pkcs11:token=credenza;object=issuing")


def test_a_key_signs_again_when_its_token_is_back(token: SoftToken) -> None:
    reached = tokens(token)
    uri = token.put(EC_KEY, "issuing")
    held = reached.open(uri)
    token.remove()
    with pytest.raises(KeyAway):
        reached.open(uri)

    token.bring_back()

    Party("Issuing", held).root().verify_directly_issued_by(Party("Issuing", EC_KEY).root())
