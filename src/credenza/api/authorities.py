"""Certificates of the platform's own authorities, for anybody who builds a chain (RFC 5280 4.2.2.1 names these)."""

from __future__ import annotations

from ssl import DER_cert_to_PEM_cert
from typing import Literal

from fastapi import Request, Response

from credenza.actions import authorities
from credenza.domain.model import EnvironmentName


def certificate(
    request: Request,
    environment: Literal["sandbox", "production"],
    role: Literal["issuing", "root"],
    form: Literal["cer", "pem"],
) -> Response:
    """Read a certificate as DER (`.cer`) or PEM (`.pem`)."""
    der = authorities.certificate_of(
        request.app.state.platform, EnvironmentName(environment.upper()), authorities.Role(role.upper())
    )
    if form == "pem":
        return _cacheable(DER_cert_to_PEM_cert(der), "application/x-pem-file")
    return _cacheable(der, "application/pkix-cert")


def _cacheable(content: str | bytes, media_type: str) -> Response:
    return Response(content, headers={"Cache-Control": "public, max-age=3600"}, media_type=media_type)
