"""What the platform's own authorities publish, for anybody: certificates, revocation lists and status (`/pki`).

Certificates name these places (RFC 5280 4.2.1.13 and 4.2.2.1): by the authority's id, so that they stay when another
authority takes over. What is at an environment's name changes with it.
"""

from __future__ import annotations

from datetime import timedelta
from ssl import DER_cert_to_PEM_cert
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import Path, Request, Response

from credenza.actions import authorities, revocation_lists
from credenza.actions.certificate_status import Answer, CertificateStatus
from credenza.actions.context import Platform
from credenza.api.arrival import arrival_of
from credenza.domain.model import EnvironmentName
from credenza.wire.shape import Uuid

_PEM = "application/x-pem-file"
_AN_HOUR = timedelta(hours=1)
_A_MINUTE = timedelta(minutes=1)

AuthorityPath = Annotated[Uuid, Path(alias="authority_id")]
# Said, not demanded: what is no base64 is answered in the words of OCSP (RFC 6960 2.3: malformedRequest).
AskedPath = Annotated[str, Path(json_schema_extra={"pattern": "^[A-Za-z0-9+/]+={0,2}$"})]


def certificate(
    request: Request,
    environment: Literal["sandbox", "production"],
    role: Literal["issuing", "root"],
    form: Literal["cer", "pem"],
) -> Response:
    """Read a certificate as DER (`.cer`) or PEM (`.pem`)."""
    name = EnvironmentName(environment.upper())
    return _certificate(authorities.certificate_of(_platform(request), name, authorities.Role(role.upper())), form)


def chain(request: Request, environment: Literal["sandbox", "production"]) -> Response:
    """Read every authority of an environment that has not ended, the next one included, as PEM."""
    found = authorities.chains(_platform(request), EnvironmentName(environment.upper()), now=arrival_of(request).now)
    return _cacheable("".join(map(DER_cert_to_PEM_cert, found)), _PEM, _A_MINUTE)


def certificate_by_id(request: Request, authority_id: AuthorityPath, form: Literal["cer", "pem"]) -> Response:
    """Read the certificate of one authority, whether it signs or not."""
    return _certificate(authorities.certificate_by_id(_platform(request), authority_id), form)


def revocation_list(request: Request, authority_id: AuthorityPath) -> Response:
    """Read what an authority has revoked (RFC 5280 5), as DER."""
    found = revocation_lists.get(_platform(request), authority_id, now=arrival_of(request).now)
    return _cacheable(found.der, "application/pkix-crl", _A_MINUTE)


async def ask_status(request: Request) -> Response:
    """Ask by OCSP (RFC 6960) whether certificates are good."""
    return await _status(request, arrival_of(request).body)


async def ask_status_in_path(request: Request, asked: AskedPath) -> Response:
    """Ask by OCSP in a path: the request as base64 (RFC 6960 A.1)."""
    return await _status(request, _responder(request).read_path(asked))


async def _status(request: Request, encoded: bytes) -> Response:
    responder, now = _responder(request), arrival_of(request).now
    answer = responder.at_once(encoded, now=now)
    if answer is None:
        number = responder.change_number()  # what tells it belongs to the event loop
        answer = await to_thread.run_sync(lambda: responder.answer(encoded, now=now, change_number=number))
    return _answer(answer, request.method)


def _answer(answer: Answer, method: str) -> Response:
    # RFC 5019 6.2: caches may keep what was read by GET. A nonce, and a failure, are nobody else's business.
    if method == "GET" and answer.kept_for:
        return _cacheable(answer.der, "application/ocsp-response", answer.kept_for)
    return Response(answer.der, media_type="application/ocsp-response")


def _certificate(der: bytes, form: Literal["cer", "pem"]) -> Response:
    if form == "pem":
        return _cacheable(DER_cert_to_PEM_cert(der), _PEM, _AN_HOUR)
    return _cacheable(der, "application/pkix-cert", _AN_HOUR)


def _cacheable(content: str | bytes, media_type: str, kept_for: timedelta) -> Response:
    kept = f"public, max-age={int(kept_for.total_seconds())}"
    return Response(content, headers={"Cache-Control": kept}, media_type=media_type)


def _responder(request: Request) -> CertificateStatus:
    responder: CertificateStatus = request.app.state.certificate_status
    return responder


def _platform(request: Request) -> Platform:
    platform: Platform = request.app.state.platform
    return platform
