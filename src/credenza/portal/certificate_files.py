"""The files that belong to a certificate: itself, its chain and its public key, in the formats that tools read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ssl import DER_cert_to_PEM_cert

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import Response

from credenza.actions import certificates
from credenza.actions.certificates import CertificateInContext
from credenza.domain.errors import Code, Refusal
from credenza.portal import certificate_views, project_frame
from credenza.portal.visit import Visit
from credenza.protocol import public_key


def send(visit: Visit) -> Response:
    write = _FILES.get(visit.path("name"))
    if write is None:
        raise Refusal(Code.NOT_FOUND, "There is no such file.")
    place = (visit.actor, project_frame.project_id(visit), certificate_views.certificate_id(visit))
    found = certificates.get_in_context(visit.portal.platform, *place, now=visit.now)
    headers = {
        "Cache-Control": "no-store",
        # The name is made of digits and ours: nothing that somebody chose gets into the header.
        "Content-Disposition": f'attachment; filename="{found.credential.id[:8]}-{visit.path("name")}"',
    }
    return Response(write(found), headers=headers, media_type="application/octet-stream")


def chain_pem(found: CertificateInContext) -> str:
    """The certificate and the authorities above it, without the root: whoever trusts that has it."""
    above = found.chain[:-1] or found.chain
    return "".join(map(DER_cert_to_PEM_cert, (found.credential.certificate_der, *above)))


def _public_pem(found: CertificateInContext) -> bytes:
    loaded = public_key.parse(found.credential.public_key_der)
    return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


_FILES: Mapping[str, Callable[[CertificateInContext], bytes]] = {
    "certificate.pem": lambda found: DER_cert_to_PEM_cert(found.credential.certificate_der).encode(),
    "chain.pem": lambda found: chain_pem(found).encode(),
    "authorities.pem": lambda found: "".join(map(DER_cert_to_PEM_cert, found.chain)).encode(),
    "certificate.cer": lambda found: found.credential.certificate_der,
    "public-key.pem": _public_pem,
}
NAMES = tuple(_FILES)
