"""The form that a new certificate comes with: that of a key, and a fourth way, the certificate of another authority."""

from __future__ import annotations

from typing import Any

from credenza.actions import certificates
from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CredentialId, EnvironmentName, ProjectType
from credenza.portal import new_key, texts
from credenza.portal.new_key import Method, Thing
from credenza.portal.visit import Visit

_END = b"-----END CERTIFICATE-----"


def form(visit: Visit, sight: ProjectInSight, environment: EnvironmentName, here: str, action: str) -> dict[str, Any]:
    """What the template of the form needs: also whose certificates may be brought, and what subject is wanted."""
    platform, place = visit.portal.platform, (visit.actor, sight.project.id, environment)
    return new_key.form(
        visit,
        here,
        action,
        ProjectType.MTLS,
        Thing.CERTIFICATE,
        anchors=certificates.list_trusted(platform, *place, now=visit.now),
        subject=certificates.suggest_subject(platform, *place, now=visit.now),
    )


def read(visit: Visit, predecessor_id: CredentialId | None = None) -> NewRequest | NewCertificate:
    alias = read_alias(visit)
    if new_key.method_of(visit) is not Method.CERTIFICATE:
        return NewRequest(alias, new_key.read_request(visit), predecessor_id)
    sent = visit.files.get("file", b"") or visit.fields.get("certificate", "").encode()
    if not sent.strip():
        raise Refusal(
            Code.INVALID_CERTIFICATE, "Choose the file with the certificate, or paste it.", field="certificate"
        )
    return NewCertificate(alias, *_split(sent), predecessor_id)


def read_alias(visit: Visit) -> str:
    wrong = Refusal(
        Code.INVALID, "Give the certificate a name of 1 to 120 characters, none of them invisible.", field="alias"
    )
    return texts.read_name(visit, wrong)


def _split(sent: bytes) -> tuple[bytes, bytes]:
    """Part the first certificate from what stands behind it. What either is worth is for the action to say."""
    leaf, end, chain = sent.partition(_END)
    return leaf + end, chain
