"""The files that belong to a certificate: itself, its chain and its public key, in the formats that tools read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ssl import DER_cert_to_PEM_cert

from starlette.responses import Response

from credenza.actions import certificates
from credenza.actions.certificates import CertificateInContext
from credenza.domain.errors import Code, Refusal
from credenza.portal import certificate_views, project_frame, public_files
from credenza.portal.visit import Visit


def send(visit: Visit) -> Response:
    write = _FILES.get(visit.path("name"))
    if write is None:
        raise Refusal(Code.NOT_FOUND, "There is no such file.")
    place = (visit.actor, project_frame.project_id(visit), certificate_views.certificate_id(visit))
    found = certificates.get_in_context(visit.portal.platform, *place, now=visit.now)
    return public_files.sent(write(found), found.credential.id, visit.path("name"))


def chain_pem(found: CertificateInContext) -> str:
    """The certificate and the authorities above it, without the root: whoever trusts that has it."""
    above = found.chain[:-1] or found.chain
    return "".join(map(DER_cert_to_PEM_cert, (found.credential.certificate_der, *above)))


_FILES: Mapping[str, Callable[[CertificateInContext], bytes]] = {
    "certificate.pem": lambda found: public_files.certificate_pem(found.credential.certificate_der),
    "chain.pem": lambda found: chain_pem(found).encode(),
    "authorities.pem": lambda found: "".join(map(DER_cert_to_PEM_cert, found.chain)).encode(),
    "certificate.cer": lambda found: found.credential.certificate_der,
    "public-key.pem": lambda found: public_files.public_key_pem(found.credential.public_key_der),
}
NAMES = tuple(_FILES)
