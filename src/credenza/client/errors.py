"""What the management API and the token endpoint answer when they say no."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from pydantic import ValidationError

from credenza.wire.errors import Envelope, Error


class ApiError(Exception):
    """A refusal. Programs branch on `reason_code`; `request_id` finds the request in the server's log.

    `errors` holds every item of the envelope; the attributes are the first one's.
    """

    def __init__(self, status: int, errors: Sequence[Error], request_id: str) -> None:
        first = errors[0]
        super().__init__(f"{status} {first.reason_code}: {first.description}")
        self.status = status
        self.reason_code = first.reason_code
        self.description = first.description
        self.details = first.details
        self.recoverable = first.recoverable
        self.errors = tuple(errors)
        self.request_id = request_id


class TokenRefused(Exception):  # noqa: N818 - an answer, not an error of ours
    """The token endpoint's no. `error` is the code of RFC 6749 5.2 (`invalid_client`, `invalid_scope`), `redirect`, or
    `unexpected_answer` where it did not answer as one. `refusal_id` finds the explanation, where there is one."""

    def __init__(self, status: int, error: str, description: str, *, refusal_id: str = "") -> None:
        super().__init__(f"{status} {error}: {description}" if description else f"{status} {error}")
        self.status = status
        self.error = error
        self.description = description
        self.refusal_id = refusal_id


class IssuerUnavailable(Exception):  # noqa: N818 - what whoever called is told, not an error of ours
    """The issuer does not answer, or not as one does."""


class InsecureUrl(ValueError):  # noqa: N818 - likewise
    """Credentials would be sent in the clear."""


def check(response: httpx.Response) -> None:
    """Raise ApiError unless the answer is a success; one that is no envelope comes from something between us."""
    if response.is_success:
        return
    try:
        errors = Envelope.model_validate_json(response.content).errors.error
    except ValidationError:
        errors = ()
    request_id = response.headers.get("Credenza-Request-Id", "")
    raise ApiError(response.status_code, errors or (_foreign(response),), request_id)


def _foreign(response: httpx.Response) -> Error:
    return Error(
        source="unknown",
        reason_code="UNEXPECTED_ANSWER",
        description=f"{response.url.host} answered {response.status_code} without the API's error document. "
        "Is the URL that of a Credenza server?",
        recoverable=False,
    )
