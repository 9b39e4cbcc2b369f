"""Access tokens whose own signature was verified: once, for what a token says cannot change. Whether it is good now is
asked anew at every call (RFC 9068 section 4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import IssuerKind
from credenza.gate.decision import Code
from credenza.gate.issuers import Issuers
from credenza.protocol import access_token, jose
from credenza.protocol.access_token import Claims
from credenza.protocol.errors import Malformed, Refused

_REMEMBERED = 20_000

Read = TypeVar("Read")
"""What a verifier makes of a token, once."""


class NotGood(Exception):  # noqa: N818 - an answer, not an error of ours
    """The token is not good here and now: INVALID_TOKEN, TOKEN_EXPIRED or TOKEN_REVOKED."""

    def __init__(self, code: Code, description: str) -> None:
        super().__init__(description)
        self.code = code


class _Verified(msgspec.Struct, Generic[Read], frozen=True):
    kid: str
    claims: Claims
    read: Read


class VerifiedTokens(Generic[Read]):
    """The tokens of one line of keys, whose issuers have `names`. `read` is given a token as it was sent, and its
    claims. `audiences` are what tokens have to be for; without them that is the caller's to judge."""

    def __init__(
        self,
        issuers: Issuers,
        kind: IssuerKind,
        *,
        names: Mapping[EnvironmentName, str],
        audiences: Mapping[EnvironmentName, str] | None,
        read: Callable[[str, Claims], Read],
    ) -> None:
        self._issuers = issuers
        self._kind = kind
        self._names = names
        self._audiences = audiences
        self._read = read
        self._verified: OrderedDict[str, _Verified[Read]] = OrderedDict()

    def find(self, environment: EnvironmentName, sent: str, *, now: datetime) -> Read:
        """Prove that the environment's issuer has issued the token, and that it has neither ended nor been revoked.
        Raises NotGood."""
        try:
            known = self._verified.get(sent) or self._verify(environment, sent, now)
            audience = known.claims.aud if self._audiences is None else self._audiences[environment]
            access_token.check_claims(known.claims, issuer=self._names[environment], audience=audience, now=now)
        except (Malformed, Refused) as failure:
            ended = isinstance(failure, Refused) and failure.reason == "expired"
            raise NotGood(Code.TOKEN_EXPIRED if ended else Code.INVALID_TOKEN, str(failure)) from failure
        # The key that signed may have been retired, and the token revoked, since it was verified.
        if self._issuers.published(environment, self._kind, known.kid, now=now) is None:
            raise NotGood(Code.INVALID_TOKEN, "The token was signed by a key that is not published any more.")
        if self._issuers.is_revoked(known.claims.jti):
            raise NotGood(Code.TOKEN_REVOKED, "The token was revoked.")
        return known.read

    def is_issued(self, environment: EnvironmentName, sent: str, *, now: datetime) -> bool:
        """Whether a token says that this issuer has signed it. Nothing is proven by that."""
        if sent in self._verified:
            return True
        if len(sent) > jose.LONGEST_TOKEN:
            return False
        try:
            kid = jose.parse_header(sent.partition(".")[0].encode("ascii")).kid
        except (Malformed, UnicodeEncodeError):
            return False
        return self._issuers.published(environment, self._kind, kid or "", now=now) is not None

    def _verify(self, environment: EnvironmentName, sent: str, now: datetime) -> _Verified[Read]:
        token, claims = access_token.parse(sent)
        kid = token.header.kid or ""
        key = self._issuers.published(environment, self._kind, kid, now=now)
        if key is None:
            raise Refused("key", "The token is signed by no key that this issuer publishes.")
        jose.check(token, key, jose.algorithm_of(key))
        known = self._verified[sent] = _Verified(kid, claims, self._read(sent, claims))
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return known
