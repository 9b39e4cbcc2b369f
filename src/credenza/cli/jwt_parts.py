"""A JWT taken apart for somebody who looks for what is wrong with it: nothing is believed, and nothing ends the look.

The rules are those of `protocol`; here each is asked for itself, also after one that failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from credenza.cli.diagnosis import Step
from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import Algorithm, Compact
from credenza.protocol.public_key import PublicKey

_SHOWN = 200
_MOST = 128
ALGORITHMS = " or ".join(Algorithm)


@dataclass(frozen=True, slots=True)
class Parts:
    """`name` is what the JWT is meant to be; every step about it begins with that. `compact` is proven by nobody."""

    name: str
    compact: Compact
    header: Mapping[str, object]
    claims: Mapping[str, object]

    def step(self, name: str, ok: bool | None, detail: str, cure: str = "") -> Step:
        return Step(f"{self.name}_{name}", ok, detail, "" if ok else cure)

    def judged(self, name: str, detail: str, judge: Callable[[], object], cure: str = "") -> Step:
        """Make a step of a rule of `protocol`: its own words where it refuses."""
        try:
            judge()
        except (Malformed, Refused) as error:
            return self.step(name, False, str(error), cure)
        return self.step(name, True, detail)

    def text(self, claim: str) -> str | None:
        value = self.claims.get(claim)
        return value if isinstance(value, str) else None

    def number(self, claim: str) -> float | None:
        value = self.claims.get(claim)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def take_apart(name: str, jwt: str) -> Parts:
    """Read a JWT's parts. Raises Malformed when they cannot be read."""
    compact = jose.parse(jwt.strip())
    header = _object(jose.decode(compact.header_segment, "header"))
    return Parts(name, compact, header, _object(compact.payload))


def type_of(jwt: str) -> str:
    return take_apart("JWT", jwt).compact.header.typ.lower().removeprefix("application/")


def header_steps(parts: Parts, types: frozenset[str], usual: str, key: PublicKey | None) -> Iterator[Step]:
    """Judge `typ` and `alg`; with the key, whether it is one that signs so."""
    typ = parts.compact.header.typ
    fits = typ.lower().removeprefix("application/") in types
    yield parts.step("typ", fits, shown(typ) or "none", f"It is {usual}: another kind of token is in this place.")
    alg = parts.compact.header.alg
    allowed = frozenset(Algorithm) if key is None else frozenset({jose.algorithm_of(key)})
    wanted = ALGORITHMS if key is None else f"{jose.algorithm_of(key)}, the one algorithm of this key"
    yield parts.step("alg", alg in allowed, shown(alg), f"It is {wanted}.")


def jti_step(parts: Parts) -> Step:
    jti = parts.text("jti")
    if jti is None or not 1 <= len(jti) <= _MOST:
        return parts.step(
            "jti", False, "none" if jti is None else shown(jti), f"It is a text of 1 to {_MOST} characters."
        )
    return parts.step("jti", None, f"{shown(jti)}: whether it was used before only the server knows")


def signature_step(parts: Parts, key: PublicKey | None, *, of: str, without: str) -> Step:
    """Prove who signed; `of` is whose key it is, `without` what to give where there is none."""
    if key is None:
        return Step(f"{parts.name}_signature", None, "Not checked without the key.", without)
    return parts.judged(
        "signature",
        f"by {of}",
        lambda: jose.check(parts.compact, key, jose.algorithm_of(key)),
        f"Sign with the private key of {of}.",
    )


def unexplained(parts: Parts, steps: list[Step], judge: Callable[[], object]) -> Iterator[Step]:
    """Where the server's own reading fails at something that no step names, say that."""
    if any(step.ok is False for step in steps):
        return
    step = parts.judged("reading", "", judge)
    if not step.ok:
        yield step


def shown(value: object) -> str:
    """Show a claim as it came: a text bare, else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _object(octets: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        raise Malformed("token", "The payload is not JSON.") from None
    if not isinstance(found, dict):
        raise Malformed("token", "The payload is JSON, but no object.")
    return found
