"""Authorities and leaves as others make them: any constraints, dates, uses and hashes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Party:
    """Somebody with a name and a key, who may certify others."""

    def __init__(self, common_name: str, key: Key | None = None, organization: str = "Acme") -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )

    def certify(
        self,
        subject: "Party",
        *,
        ca: bool | None = False,
        path_length: int | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        begins: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=365),
        algorithm: HashAlgorithm | None = None,
        serial: int | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject.name)
            .issuer_name(self.name)
            .public_key(subject.key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(NOW + begins)
            .not_valid_after(NOW + ends)
        )
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, algorithm or SHA256())

    def root(self, **said: object) -> x509.Certificate:
        return self.certify(self, ca=True, **said)  # type: ignore[arg-type]


def key_usage(*uses: str) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in uses for name in names})
