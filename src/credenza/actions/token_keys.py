"""Keys that sign tokens: made at the first start, followed by others in time, retired by operators when compromised.
Those that sign answers are made when the first service wants them.

When a key signs and until when it is published, `domain.token_keys` says. Two nodes that make the same key at once are
parted by a constraint. A change is announced to the gates, but for the first keys of all: a gate that has none asks
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Connection

from credenza.actions.context import Attempt, Platform, Vault, acting, viewing
from credenza.domain import token_keys as line
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, Actor, ActorKind, EnvironmentName, Reach, ServiceEnvironment
from credenza.domain.token_keys import IssuerKind, NextKey, TokenKey
from credenza.protocol import jose
from credenza.store import changes, chores, leases, token_keys
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading, writing

Line: TypeAlias = tuple[EnvironmentName, IssuerKind]

LINES: Final[tuple[Line, ...]] = tuple(
    (environment, issuer) for issuer in (IssuerKind.FAPI2, IssuerKind.COMPAT) for environment in EnvironmentName
)
_CHORE = "token keys"
_SCHEDULER = Actor(ActorKind.OPERATOR, "scheduler")


@dataclass(frozen=True, slots=True)
class Retired:
    """A retired key, and how far that had got when it was answered."""

    key: TokenKey
    reach: Reach


def sign_answers(
    platform: Platform, connection: Connection, places: Iterable[ServiceEnvironment], *, now: datetime
) -> None:
    """Have keys that sign answers where a service has rules of payloads. To be called before the change is numbered, as
    rotation takes a line's keys first."""
    for environment in sorted({each.environment for each in places if each.payload_rules is not None}):
        made = _settle_for(platform, connection, (environment, IssuerKind.PAYLOAD), now=now)
        _announce(connection, made)


def ensure(connection: Connection, vault: Vault, *, rotation: timedelta, now: datetime) -> None:
    """Make every issuer's first two keys where there are none yet, and whatever became due while nobody ran."""
    for environment, issuer in _lines(connection):
        made = _settle(connection, vault, environment, issuer, rotation=rotation, now=now)
        # Gates run already when the first service wants its answers signed.
        _announce(connection, (key for key in made if key.generation > 2 or issuer is IssuerKind.PAYLOAD))


def take_turn(platform: Platform, holder: str, *, term: timedelta, now: datetime) -> bool:
    """Say whether this node is the one that looks for rotations, for `term` from now. It saves work; nothing rests
    on it."""
    with writing(platform.database.records) as connection:
        return chores.take(connection, _CHORE, holder, until=now + term, now=now)


def rotate_due(platform: Platform, *, now: datetime) -> tuple[TokenKey, ...]:
    """Make the successors that are due, forget keys that are gone, and say which were made."""
    if not _is_due(platform, now):
        return ()
    with acting(platform, Attempt(_SCHEDULER, Action.TOKEN_KEY_ROTATE, now)) as act:
        places = _lines(act.connection)
        made = [key for place in places for key in _settle_for(platform, act.connection, place, now=now)]
        token_keys.delete_gone(act.connection, now=now)
        _announce(act.connection, made)
        act.note(made[0].kid if made else "", ", ".join(f"{key.environment} {key.kid}" for key in made))
    return tuple(made)


def list_all(platform: Platform, actor: Actor, *, now: datetime) -> tuple[TokenKey, ...]:
    with viewing(platform, Attempt(actor, Action.TOKEN_KEY_LIST, now)) as act:
        return token_keys.list_all(act.connection)


def retire(platform: Platform, actor: Actor, kid: str, *, reason: str, now: datetime) -> Retired:
    """Let a compromised key sign no more and none of its tokens be good; returns when no gate admits one of them."""
    with acting(platform, Attempt(actor, Action.TOKEN_KEY_RETIRE, now)) as act:
        key = token_keys.find(act.connection, kid)
        if key is None:
            raise Refusal(Code.NOT_FOUND, "No such key. List them with: credenza token-key list", field="kid")
        act.note(kid, reason)
        if key.retired_at is None:
            token_keys.set_times(act.connection, line.retired(key, now=now))
            _settle_for(platform, act.connection, (key.environment, key.issuer), now=now)
            _announce(act.connection, [key])
        number = changes.current(act.connection)
        key = token_keys.find(act.connection, kid) or key
    return Retired(key, leases.await_reach(platform.database.records, number, lease=platform.policy.lease))


def _lines(connection: Connection) -> tuple[Line, ...]:
    signing = token_keys.environments_with_payload_rules(connection)
    return (*LINES, *((environment, IssuerKind.PAYLOAD) for environment in signing))


def _is_due(platform: Platform, now: datetime) -> bool:
    with reading(platform.database.records) as connection:
        keys, places = token_keys.list_all(connection), _lines(connection)
    lines = ([key for key in keys if (key.environment, key.issuer) == place] for place in places)
    rotation = platform.policy.token_key_rotation
    return any(line.missing(each, rotation=rotation, now=now) is not None for each in lines)


def _settle_for(
    platform: Platform, connection: Connection, place: tuple[EnvironmentName, IssuerKind], *, now: datetime
) -> list[TokenKey]:
    return _settle(connection, platform.vault, *place, rotation=platform.policy.token_key_rotation, now=now)


def _settle(
    connection: Connection,
    vault: Vault,
    environment: EnvironmentName,
    issuer: IssuerKind,
    *,
    rotation: timedelta,
    now: datetime,
) -> list[TokenKey]:
    """Bring a line to where it has all that it needs; return the keys that were made."""
    made: list[TokenKey] = []
    while True:
        keys = token_keys.list_line(connection, environment, issuer)
        for changed in line.succession(keys, now=now):
            token_keys.set_times(connection, changed)
        keys = token_keys.list_line(connection, environment, issuer)
        wanted = line.missing(keys, rotation=rotation, now=now)
        if wanted is None:
            return made
        made += _make(connection, vault, environment, issuer, wanted)


def _make(
    connection: Connection, vault: Vault, environment: EnvironmentName, issuer: IssuerKind, wanted: NextKey
) -> list[TokenKey]:
    private_key = _new_private_key(issuer)
    public_key = private_key.public_key()
    key = TokenKey(
        kid=jose.thumbprint(public_key),
        environment=environment,
        issuer=issuer,
        generation=wanted.generation,
        algorithm=jose.algorithm_of(public_key),
        public_jwk=msgspec.json.encode(jose.jwk(public_key)).decode(),
        published_at=wanted.published_at,
        signs_from=wanted.signs_from,
    )
    pkcs8 = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrapped = vault.wrap(line.purpose(key.kid), pkcs8)
    # Another node may have been first: its key is read with the next look at the line.
    return [key] if token_keys.insert_key(connection, key, wrapped_private_key=wrapped) else []


def _new_private_key(issuer: IssuerKind) -> jose.PrivateKey:
    # Clients that verify x-jws-signature know PS256 and RS256, and no elliptic curve.
    if issuer is IssuerKind.PAYLOAD:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _announce(connection: Connection, keys: Iterable[TokenKey]) -> None:
    for key in keys:
        changes.record(connection, PLATFORM, ChangeKind.ISSUER, key.kid)
