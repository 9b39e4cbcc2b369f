"""PKCS#11 URIs (RFC 7512)."""

import pytest

from credenza.protocol import pkcs11_uri
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.pkcs11_uri import KeyUri


def test_a_uri_names_a_key_in_a_token() -> None:
    assert pkcs11_uri.parse("pkcs11:token=My%20CA;object=issuing;type=private") == KeyUri("My CA", "", "issuing", b"")
    assert pkcs11_uri.parse("PKCS11:serial=00ff;id=%01%FF") == KeyUri("", "00ff", "", b"\x01\xff")


@pytest.mark.parametrize(
    "uri",
    ["", "file:/key", "pkcs11:", "pkcs11:token", "pkcs11:token=a;token=b;object=c", "pkcs11:slot-x=1;object=c",
     "pkcs11:token=%ff;object=c"],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(uri: str) -> None:
    with pytest.raises(Malformed):
        pkcs11_uri.parse(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=a;object=b?pin-value=1234",
        "pkcs11:token=a;object=b?pin-source=file:/etc/pin",
        "pkcs11:token=a;object=b?module-path=/tmp/evil.so",
        "pkcs11:token=a;object=b;type=cert",
        "pkcs11:token=a",
        "pkcs11:object=b",
    ],
)
def test_modules_pins_other_objects_and_nothing_are_refused(uri: str) -> None:
    with pytest.raises(Refused) as caught:
        pkcs11_uri.parse(uri)

    assert "1234" not in str(caught.value)
