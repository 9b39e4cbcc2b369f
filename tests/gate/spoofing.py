"""Spellings under which somebody could name a certificate that is not theirs (security.md, threat 4)."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

SPELLINGS = (
    *("Client-Cert", "client-cert", "CLIENT-CERT", "cLiEnT-cErT", "Client_Cert", "client_cert", "CLIENT_CERT"),
    *("Client.Cert", "Client-cert", "ClientCert", "Client-Cert-Chain", "client_cert_chain", "Client-Certificate"),
    *("X-Client-Cert", "x-client-cert", "X_Client_Cert", "X.Client.Cert", "X-Client-Certificate", "X-ClientCert"),
    *("X-SSL-Client-Cert", "X-SSL-Cert", "X_SSL_Client_Cert", "SSL-Client-Cert", "Ssl_Client_Cert", "SSL_CLIENT_CERT"),
    *("X-SSL-Client-Certificate", "X-SSL-Client-Verify", "SSL-Client-Verify", "X-SSL-Client-DN", "X-TLS-Client-Cert"),
    *("X-Forwarded-Client-Cert", "X_Forwarded_Client_Cert", "X-Forwarded-Tls-Client-Cert", "X-ARR-ClientCert"),
    *("X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf", "Forwarded", "Credenza-Client-Cert"),
    *("X-Credenza-Certificate-Sha256", "X_Credenza_Certificate_Sha256", "X-Credenza-Key-Id", "Credenza-Certificate"),
)


def values(certificate: x509.Certificate) -> tuple[str, ...]:
    """How terminators write it."""
    base64 = b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return (f":{base64}:", base64, quote(certificate.public_bytes(Encoding.PEM).decode(), safe=""))
