"""New credentials as they are sent, of every type, as the actions take them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.actions.issuing import NewKey
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CredentialId
from credenza.wire import credentials as wire


def signing_key(new: wire.NewProjectOAuthSigningCredential) -> NewKey:
    return NewKey(new.alias, new.csr.encode())


def request(new: wire.NewProjectMTLSCsrCredential) -> NewRequest:
    return NewRequest(new.alias, new.csr.encode(), predecessor(new))


def certificate(new: wire.NewProjectMTLSCertificateCredential) -> NewCertificate:
    return NewCertificate(new.alias, new.certificate.encode(), new.chain.encode(), predecessor(new))


def predecessor(new: wire.NewCredential) -> CredentialId | None:
    """Whom it is to replace, where the request can say so."""
    match new:
        case (
            wire.AddSigningCredentialAfter(predecessor_id=str(found))
            | wire.AddMTLSCsrCredentialAfter(predecessor_id=str(found))
            | wire.AddMTLSCertificateCredentialAfter(predecessor_id=str(found))
        ):
            return CredentialId(found)
    return None


def any_of(new: wire.NewCredential) -> NewKey | NewRequest | NewCertificate:
    match new:
        case wire.NewProjectOAuthSigningCredential():
            return signing_key(new)
        case wire.NewProjectMTLSCsrCredential():
            return request(new)
        case wire.NewProjectMTLSCertificateCredential():
            return certificate(new)
        case wire.UnsupportedCredential():
            raise unsupported()


def unsupported() -> Refusal:
    return Refusal(
        Code.PROJECT_TYPE,
        "Credentials of type PARTNER belong to projects of type OPEN_BANKING_PARTNER, which are not offered here.",
        field="type (PARTNER)",
    )


@contextmanager
def of_type(name: str) -> Iterator[None]:
    """Name the type in parentheses when the project does not take it (contracts 1.5)."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code is not Code.KEY_TYPE:
            raise
        raise Refusal(refusal.code, refusal.message, field=f"type ({name})") from refusal
