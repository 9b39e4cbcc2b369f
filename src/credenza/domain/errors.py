"""The one way a product rule says no.

`Refusal.code` is stable, documented in `docs/reference/errors.md` and translated to HTTP in `api/errors.py` alone.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Every reason the product itself has for refusing an action."""

    UNAUTHENTICATED = "unauthenticated"
    PROOF_NEEDED = "proof_needed"
    FORBIDDEN = "forbidden"
    PROJECT_FORBIDDEN = "project_forbidden"
    NOT_FOUND = "not_found"
    PROJECT_NOT_FOUND = "project_not_found"
    SERVICE_NOT_FOUND = "service_not_found"
    CREDENTIAL_NOT_FOUND = "credential_not_found"
    INVALID = "invalid"
    INVALID_CSR = "invalid_csr"
    INVALID_CERTIFICATE = "invalid_certificate"
    KEY_TYPE = "key_type"
    PROJECT_TYPE = "project_type"
    PROJECT_STATUS = "project_status"
    PROJECT_CONFIG = "project_config"
    DUPLICATE_PROJECT_NAME = "duplicate_project_name"
    DUPLICATE_PROJECT_SERVICE = "duplicate_project_service"
    DUPLICATE_ENVIRONMENT = "duplicate_environment"
    DUPLICATE_KEY = "duplicate_key"
    DUPLICATE_SUBJECT = "duplicate_subject"
    DUPLICATE_NAME = "duplicate_name"
    PROJECT_LIMIT = "project_limit"
    OAUTH2_KEY_LIMIT = "oauth2_key_limit"
    MEMBER_LIMIT = "member_limit"
    SECRET_LIMIT = "secret_limit"
    EDITED_MEANWHILE = "edited_meanwhile"
    LAST_ACTIVE_CREDENTIAL = "last_active_credential"
    NOT_RENEWABLE = "not_renewable"
    NOT_ACTIVE = "not_active"
    STATUS = "status"
    EXPIRED_KEY = "expired_key"
    ACTIVE_SERVICE_KEY = "active_service_key"
    LAST_SERVICE_KEY = "last_service_key"
    ISSUER_ENDED = "issuer_ended"
    ISSUER_AWAY = "issuer_away"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    IDEMPOTENCY_ANSWER_GONE = "idempotency_answer_gone"
    IDEMPOTENCY_IN_PROGRESS = "idempotency_in_progress"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    BUSY = "busy"


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """A rule of the product says no.

    `message` is for the person who must act: it names the cure and never a secret. `field` is the input
    that has to change, as the caller knows it, or empty.
    """

    def __init__(self, code: Code, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
