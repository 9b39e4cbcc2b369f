"""Client-Cert as terminators write it: three spellings, none of which can be taken for another."""

from base64 import b64encode
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.protocol.authorities import CLIENT, Party

from credenza.protocol import client_cert_header
from credenza.protocol.errors import Malformed, Refused

CERTIFICATE = Party("Authority").certify(Party("till 7"), extensions=((CLIENT, False),))
DER, PEM = CERTIFICATE.public_bytes(Encoding.DER), CERTIFICATE.public_bytes(Encoding.PEM).decode()
BASE64 = b64encode(DER).decode()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f":{BASE64}:", id="RFC 9440"),
        pytest.param(f" :{BASE64}:\t", id="RFC 9440 with blanks around"),
        pytest.param(BASE64, id="base64 of HAProxy and Caddy"),
        pytest.param(quote(PEM, safe=""), id="escaped PEM of nginx"),
        pytest.param(quote(PEM, safe="/+=:"), id="escaped PEM, less escaped"),
        pytest.param(client_cert_header.write(DER), id="ours"),
    ],
)
def test_every_spelling_gives_the_octets_that_were_sent(value: str) -> None:
    assert client_cert_header.parse(value) == DER


@pytest.mark.parametrize("value", ["", "  ", "::"])
def test_a_field_may_say_that_there_is_none(value: str) -> None:
    assert client_cert_header.parse(value) == b""


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(":", id="a colon"),
        pytest.param(f":{BASE64}", id="not closed"),
        pytest.param(f"{BASE64}:", id="not opened"),
        pytest.param(f":{BASE64}:;a=1", id="parameters"),
        pytest.param(f":{BASE64}:, :{BASE64}:", id="a list"),
        pytest.param(f"{BASE64},{BASE64}", id="two in one"),
        pytest.param(f":{BASE64[:-3]}:", id="cut"),
        pytest.param(f":{BASE64[:40]} {BASE64[40:]}:", id="blank inside"),
        pytest.param(f":{BASE64[:40]}\n{BASE64[40:]}:", id="newline inside"),
        pytest.param(PEM, id="PEM as it is"),
        pytest.param(f":{b64encode(PEM.encode()).decode()}:", id="encoded twice"),
        pytest.param(quote(PEM + PEM, safe=""), id="two blocks"),
        pytest.param(quote(PEM.replace("CERTIFICATE", "PUBLIC KEY"), safe=""), id="another label"),
        pytest.param("CN=till 7", id="a name"),
        pytest.param("(null)", id="what Apache says without one"),
        pytest.param("SUCCESS", id="a verdict"),
        pytest.param("é" * 8, id="no ASCII"),
        pytest.param("A" * 20_000, id="too long"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(value: str) -> None:
    with pytest.raises(Malformed):
        client_cert_header.parse(value)


def test_a_private_key_is_refused_and_not_repeated() -> None:
    key = Party("Authority").key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises((Malformed, Refused)) as caught:
        client_cert_header.parse(quote(key, safe=""))

    assert key.splitlines()[1].decode() not in str(caught.value)
