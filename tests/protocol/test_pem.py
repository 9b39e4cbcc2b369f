"""PEM as people paste it: lost newlines are read, everything doubtful is named."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from credenza.protocol import csr, pem
from credenza.protocol.errors import Malformed, Refused

LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")


def read(text_or_der: bytes | str) -> bytes:
    return pem.read(text_or_der, labels=LABELS, field="csr")


@pytest.fixture(scope="module")
def request_pem(ec_key: ec.EllipticCurvePrivateKey) -> str:
    return csr.build(ec_key, common_name="billing").decode()


@pytest.mark.parametrize(
    "flatten",
    [
        pytest.param(lambda text: text, id="as written"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace("\n", "\\n"), id="literal backslash n"),
        pytest.param(lambda text: text.replace("\n", "\\r\\n"), id="literal backslash r and n"),
        pytest.param(lambda text: text.replace("\n", " "), id="spaces"),
        pytest.param(lambda text: text.replace("\n", ""), id="no newline at all"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: "Certificate Request:\n    Version: 1 (0x0)\n" + text, id="openssl req -text"),
        pytest.param(lambda text: text + "\n\n  \n", id="blank lines after it"),
        pytest.param(lambda text: text.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"), id="old label"),
    ],
)
def test_a_block_that_lost_its_newlines_is_read(request_pem: str, flatten) -> None:
    assert read(flatten(request_pem)) == read(request_pem.encode())


def test_der_is_read_as_it_is(request_pem: str) -> None:
    assert read(read(request_pem)) == read(request_pem)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda _: "", "no complete PEM block", id="nothing"),
        pytest.param(lambda text: "".join(text.splitlines()[1:-1]), "no complete PEM block", id="base64 alone"),
        pytest.param(lambda text: text.rsplit("-----END")[0], "no complete PEM block", id="no END line"),
        pytest.param(
            lambda text: text.replace("END CERTIFICATE", "END THE"), "no complete PEM block", id="labels differ"
        ),
        pytest.param(lambda _: "-----BEGIN A-----" * 3800, "no complete PEM block", id="BEGIN lines only"),
        pytest.param(lambda text: text + text, "more than one", id="two blocks"),
        pytest.param(lambda text: text + "thanks!", "Text follows", id="text after it"),
        pytest.param(
            lambda text: text.replace(" REQUEST", ""), "is a CERTIFICATE, not a CERTIFICATE REQUEST", id="label"
        ),
        pytest.param(lambda text: text.replace("M", "*", 1), "base64", id="a character outside base64"),
        pytest.param(lambda text: text.replace("M", "é", 1), "base64", id="a character outside ASCII"),
        pytest.param(lambda text: text.replace("MI", "=I", 1), "base64", id="padding in the middle"),
        pytest.param(lambda text: text + " " * 65_536, "larger than 64 KiB", id="more than 64 KiB"),
    ],
)
def test_anything_else_is_malformed(request_pem: str, change, words: str) -> None:
    with pytest.raises(Malformed, match=words) as caught:
        read(change(request_pem))

    assert caught.value.field == "csr"


def private_keys(rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey) -> list[bytes]:
    plain, encrypted = NoEncryption(), BestAvailableEncryption(b"keystorepassword")
    return [
        rsa_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, plain),
        rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, plain),
        rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted),
        rsa_key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, plain),
        rsa_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, plain),
        ec_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, plain),
        ec_key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, plain),
        ec_key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, plain),
        serialize_key_and_certificates(None, ec_key, None, None, plain),
    ]


def test_a_private_key_sent_by_mistake_is_refused_and_never_echoed(rsa_key, ec_key, request_pem: str) -> None:
    sent = private_keys(rsa_key, ec_key)
    sent.append(request_pem.encode() + sent[0])
    sent.append(sent[0].replace(b"\n", b"\\n"))

    for octets in sent:
        with pytest.raises(Refused, match="not stored") as caught:
            read(octets)

        assert caught.value.reason == "private_key"
        assert octets[40:60] not in str(caught.value).encode()
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("octets", [b"\x30", b"\x30\x00", b"\x30\x82", b"\x30\x82\x01\x00"])
def test_a_der_header_alone_is_left_to_the_parser(octets: bytes) -> None:
    assert read(octets) == octets


def blocks(text: str | bytes) -> tuple[bytes, ...]:
    return pem.read_all(text, labels=("CERTIFICATE REQUEST",), field="csr", most=2)


def test_blocks_are_read_one_after_another_with_text_between_them(request_pem: str) -> None:
    one = read(request_pem)

    assert (one,) == blocks(request_pem) == blocks(one)
    assert (one, one) == blocks(f"the first\n{request_pem}the second\n{request_pem}\n")


@pytest.mark.parametrize("text", ["nothing", "-----BEGIN CERTIFICATE REQUEST-----\n", "x" * 70_000])
def test_what_holds_no_block_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        blocks(text)


def test_more_blocks_than_may_be_are_malformed(request_pem: str) -> None:
    with pytest.raises(Malformed, match="more than 2 PEM blocks"):
        blocks(request_pem * 3)


def test_a_private_key_among_blocks_is_refused(request_pem: str, rsa_key, ec_key) -> None:
    with pytest.raises(Refused, match="private key"):
        blocks(request_pem.encode() + private_keys(rsa_key, ec_key)[1])
