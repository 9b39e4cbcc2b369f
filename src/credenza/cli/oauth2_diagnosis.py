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
    x5t_s256: str | None = None
    """The thumbprint of the connection's client certificate."""


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
    if authorization is None and (b"client_assertion" in message.body or b"grant_type" in message.body):
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
    if "client_secret" in form:
        yield Step("client_secret", False, "sent", RULINGS[Fault.TWO_AUTHENTICATIONS].hint)
    asserted = {"client_assertion", "client_assertion_type"} & set(form)
    yield from _asserted(form, known) if asserted else _presented(form, known)
    if asserted or _values(message, "dpop"):
        expected = proof_diagnosis.Expected(known.now, message.method, _without_query(message.url), nonce=known.nonce)
        yield from _only_proof(message, expected)
    yield Step("scope", None, form.get("scope", "") or "none: the token is not narrowed")


def _asserted(form: Mapping[str, str], known: Known) -> Iterator[Step]:
    yield _named("client_assertion_type", form.get("client_assertion_type", "none"), client_assertion.ASSERTION_TYPE)
    yield from _assertion(form.get("client_assertion", ""), known, client_id=form.get("client_id"))


def _presented(form: Mapping[str, str], known: Known) -> Iterator[Step]:
    """Without an assertion it is the certificate of the connection that says who the client is (RFC 8705 2)."""
    told = form.get("client_id")
    wanted = None if known.consumer_key is None else known.consumer_key.partition("!")[0]
    cure = "Send client_id beside the certificate: the one of the certificate's project and environment."
    fits = told is not None and told == (wanted or told)
    yield Step("client_id", fits, told or "none", "" if fits else cure)
    what = f"x5t#S256 {known.x5t_s256}" if known.x5t_s256 else "not in the request"
    yield Step("certificate", None, what, "Check it with: credenza debug mtls --certificate FILE")


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
    x5t_s256 = _bound_to_certificate(token)
    yield _scheme(scheme, "DPoP" if x5t_s256 is None else "Bearer")
    yield from _access_token(token, known)
    if x5t_s256 is not None:
        yield _certificate(x5t_s256, known)
        return
    expected = proof_diagnosis.Expected(
        known.now, message.method, _without_query(message.url), token.strip(), _bound_to(token), known.nonce
    )
    yield from _only_proof(message, expected)


def _scheme(sent: str, wanted: str) -> Step:
    cure = {
        "DPoP": "The token is bound to a key: send it as Authorization: DPoP, with a proof.",
        "Bearer": "The token is bound to a certificate: send it as Authorization: Bearer, over mutual TLS.",
    }
    fits = sent.lower() == wanted.lower()
    return Step("header", fits, f"Authorization: {sent}", "" if fits else cure[wanted])


def _certificate(wanted: str, known: Known) -> Step:
    """RFC 8705 3: the certificate itself is compared, not its key or its names."""
    if known.x5t_s256 is None:
        return Step("certificate", None, f"bound to x5t#S256 {wanted}", "Give it to compare: --certificate FILE")
    fits = known.x5t_s256 == wanted
    cure = "The token is bound to another certificate: connect with that one, or get a new token with this one."
    return Step("certificate", fits, f"x5t#S256 {known.x5t_s256}", "" if fits else cure)


def _bound_to_certificate(token: str) -> str | None:
    try:
        return access_token.parse(token.strip())[1].cnf.x5t_s256 or None
    except Malformed:
        return None  # a step of the token's own says so


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
