"""Why a request of OAuth 2.0 is refused, step by step: one for a token, a call with one, or a JWT alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from credenza.cli import access_token_diagnosis, assertion_diagnosis, jwt_parts, proof_diagnosis
from credenza.cli.assertion_diagnosis import ClientKey
from credenza.cli.captured import Captured
from credenza.cli.diagnosis import Step
from credenza.gate import token_request
from credenza.gate.token_faults import RULINGS, Denied, Fault
from credenza.protocol import access_token, client_assertion, dpop
from credenza.protocol.errors import Malformed
from credenza.protocol.public_key import PublicKey

_GRANT_TYPE = "client_credentials"


@dataclass(frozen=True, slots=True)
class Known:
    """What a captured request cannot say of itself. What is None is not compared."""

    now: datetime
    issuer: str | None = None
    consumer_key: str | None = None
    client_key: ClientKey | None = None
    issuer_keys: Mapping[str, PublicKey] | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `credenza debug oauth2 -o json` prints. `subject` is what was judged."""

    subject: str
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        return all(step.ok is not False for step in self.steps)


def explain_request(message: Captured, known: Known) -> Verdict:
    """Check everything that can be checked, also after a first failure."""
    authorization = message.header("authorization")
    if authorization is None and b"client_assertion" in message.body:
        return Verdict("token request", tuple(_token_request(message, known)))
    return Verdict("call", tuple(_call(message, known)))


def explain_jwt(jwt: str, known: Known) -> Verdict:
    """Judge one JWT as what its `typ` says it is. Raises Malformed for what is none."""
    typ = jwt_parts.type_of(jwt)
    if typ == dpop.TYPE:
        return Verdict("proof", tuple(_proof(jwt, proof_diagnosis.Expected(known.now, nonce=known.nonce))))
    if typ == access_token.TYPE:
        return Verdict("access token", tuple(_access_token(jwt, known)))
    return Verdict("client assertion", tuple(_assertion(jwt, known, client_id=None)))


# -------------------------------------------------------------------------------------------------- token requests


def _token_request(message: Captured, known: Known) -> Iterator[Step]:
    yield _named("method", message.method, "POST")
    try:
        query = urlsplit(message.url).query
        form = token_request.parse(message.header("content-type") or "", query, message.body)
    except Denied as denied:
        yield Step("form", False, denied.told, RULINGS[denied.fault].hint)
        return
    yield Step("form", True, ", ".join(form))
    yield _named("grant_type", form.get("grant_type", "none"), _GRANT_TYPE)
    yield _named("client_assertion_type", form.get("client_assertion_type", "none"), client_assertion.ASSERTION_TYPE)
    if "client_secret" in form:
        yield Step("client_secret", False, "sent", RULINGS[Fault.TWO_AUTHENTICATIONS].hint)
    yield from _assertion(form.get("client_assertion", ""), known, client_id=form.get("client_id"))
    expected = proof_diagnosis.Expected(known.now, message.method, _without_query(message.url), nonce=known.nonce)
    yield from _only_proof(message, expected)
    yield Step("scope", None, form.get("scope", "") or "none: the token is not narrowed")


def _named(name: str, value: str, wanted: str) -> Step:
    return Step(name, value == wanted, value, "" if value == wanted else f"It is {wanted}.")


def _assertion(jwt: str, known: Known, *, client_id: str | None) -> list[Step]:
    expected = assertion_diagnosis.Expected(
        known.now, known.issuer, known.consumer_key, known.client_key, client_id=client_id
    )
    try:
        return assertion_diagnosis.explain(jwt, expected)
    except Malformed as error:
        return [Step("assertion", False, str(error), RULINGS[Fault.ASSERTION].hint)]


# -------------------------------------------------------------------------------------------------- calls with a token


def _call(message: Captured, known: Known) -> Iterator[Step]:
    sent = _values(message, "authorization")
    scheme, _, token = (sent[0] if len(sent) == 1 else "").partition(" ")
    if not token:
        told = f"{len(sent)} Authorization headers" if len(sent) != 1 else "an Authorization header without a token"
        yield Step("header", False, told, "Send one: Authorization: DPoP TOKEN")
        return
    cure = "The token is bound to a key: send it as Authorization: DPoP, with a proof."
    bound = scheme.lower() == "dpop"
    yield Step("header", bound, f"Authorization: {scheme}", "" if bound else cure)
    yield from _access_token(token, known)
    expected = proof_diagnosis.Expected(
        known.now, message.method, _without_query(message.url), token.strip(), _bound_to(token), known.nonce
    )
    yield from _only_proof(message, expected)


def _access_token(jwt: str, known: Known) -> list[Step]:
    expected = access_token_diagnosis.Expected(known.now, known.issuer, known.issuer_keys)
    try:
        return access_token_diagnosis.explain(jwt, expected)
    except Malformed as error:
        return [Step("token", False, str(error), "Get one: credenza token get")]


def _bound_to(token: str) -> str | None:
    try:
        return access_token_diagnosis.bound_to(token)
    except Malformed:
        return None  # a step of the token's own has said so


# -------------------------------------------------------------------------------------------------- proofs of both


def _only_proof(message: Captured, expected: proof_diagnosis.Expected) -> Iterator[Step]:
    sent = _values(message, "dpop")
    if len(sent) != 1 or not sent[0]:
        yield Step("proof", False, f"{len(sent)} DPoP headers", RULINGS[Fault.PROOF_MISSING].hint)
        return
    yield from _proof(sent[0], expected)


def _proof(jwt: str, expected: proof_diagnosis.Expected) -> list[Step]:
    try:
        return proof_diagnosis.explain(jwt, expected)
    except Malformed as error:
        return [Step("proof", False, str(error), RULINGS[Fault.PROOF].hint)]


def _values(message: Captured, name: str) -> list[str]:
    return [value for key, value in message.headers if key.lower() == name]


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
