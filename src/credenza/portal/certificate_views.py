"""A certificate as pages show it: found by the address, and named by its subject."""

from __future__ import annotations

from collections.abc import Iterable

from credenza.actions import certificates
from credenza.domain.model import Credential, CredentialId
from credenza.portal import project_frame
from credenza.portal.visit import Visit
from credenza.protocol import certificate


def certificate_id(visit: Visit) -> CredentialId:
    return CredentialId(visit.path("certificate_id"))


def find(visit: Visit) -> Credential:
    """Find the certificate that the address names, in the project that it names."""
    place = (visit.actor, project_frame.project_id(visit), certificate_id(visit))
    return certificates.get(visit.portal.platform, *place, now=visit.now)


def subjects(held: Iterable[Credential]) -> dict[CredentialId, tuple[str, str]]:
    """The common name and the whole subject of some certificates, by their ids."""
    said = {each.id: certificate.describe(certificate.parse(each.certificate_der)).subject for each in held}
    return {identity: (_common_name(subject), subject) for identity, subject in said.items()}


def _common_name(subject: str) -> str:
    """The CN where there is one, else the whole subject."""
    names = dict(part.partition("=")[::2] for part in subject.split(", "))
    return names.get("CN", subject)
