"""What gates write of calls: who uses a credential, why calls were refused, how many there are by the minute.

Plain SQL text, as `lookup` has it: a gate on SQLite writes it without SQLAlchemy, which takes 14 MB and a third of a
start. `embedded_traces` and `traces` lend it their transactions. What was written is read with `traces` and `traffic`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeAlias

from credenza.domain.model import CredentialId, OrganizationId, ProjectId
from credenza.store.instants import micros

CALLER_LIMIT = 100
"""Callers told apart per credential; whoever comes later is counted among the others (settled 21)."""

OTHERS = "others"
OAUTH1, OAUTH2, MTLS, SECRET = "oauth1", "oauth2", "mtls", "secret"

LONGEST_USER_AGENT = 200

DAYS_KEPT = 7
"""Whole days before the present one of which calls are kept by the day. A credential has at most a row a day for each
caller that is told apart."""

_DAY = timedelta(days=1)
_BATCH = 200

_Place: TypeAlias = tuple[int, str, str, str]
"""Service, address, user agent, scheme."""


class Unwritten(Exception):  # noqa: N818 - what happened; its cause says why
    """The database did not take what was to be written; nothing of it is there."""


class Transaction(Protocol):
    """Runs statements whose values are named as in `:name`."""

    def rows(self, statement: str, values: Mapping[str, Any]) -> Iterable[Sequence[Any]]: ...

    def change(self, statement: str, values: Mapping[str, Any]) -> int:
        """Say how many rows were changed."""


class TraceFile(Protocol):
    """Where traces are kept."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """One transaction. Raises Unwritten, also for what the block met."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who uses a credential, and how often. `service_id` is 0 where no service was called; `scheme` is what
    they call with: oauth1, oauth2 or mtls."""

    organization_id: OrganizationId
    credential_id: CredentialId
    service_id: int
    address: str
    user_agent: str
    first_seen_at: datetime
    last_seen_at: datetime
    admitted: int
    refused: int
    scheme: str = OAUTH1


@dataclass(frozen=True, slots=True)
class StoredRefusal:
    """`explanation` is JSON. `project_id` is None when the credential belongs to none, or to nobody."""

    id: str
    organization_id: OrganizationId
    project_id: ProjectId | None
    credential_id: CredentialId
    at: datetime
    expires_at: datetime
    code: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one minute, which starts at `minute`; `last_at` is the latest of them."""

    organization_id: OrganizationId
    minute: datetime
    admitted: int
    refused: int
    last_at: datetime


_ADD_CALLER = """
INSERT INTO callers (organization_id, credential_id, service_id, address, user_agent, first_seen_at, last_seen_at,
    admitted, refused, scheme)
VALUES (:organization_id, :credential_id, :service_id, :address, :user_agent, :first_seen_at, :last_seen_at,
    :admitted, :refused, :scheme)
ON CONFLICT (credential_id, service_id, address, user_agent, scheme) DO UPDATE SET
    first_seen_at = CASE WHEN excluded.first_seen_at < callers.first_seen_at
        THEN excluded.first_seen_at ELSE callers.first_seen_at END,
    last_seen_at = CASE WHEN excluded.last_seen_at > callers.last_seen_at
        THEN excluded.last_seen_at ELSE callers.last_seen_at END,
    admitted = callers.admitted + excluded.admitted,
    refused = callers.refused + excluded.refused
"""

_ADD_DAILY_CALLS = """
INSERT INTO daily_calls (organization_id, credential_id, day, service_id, address, user_agent, scheme, admitted)
VALUES (:organization_id, :credential_id, :day, :service_id, :address, :user_agent, :scheme, :admitted)
ON CONFLICT (credential_id, day, service_id, address, user_agent, scheme) DO UPDATE SET
    admitted = daily_calls.admitted + excluded.admitted
"""

_ADD_TRAFFIC = """
INSERT INTO traffic (organization_id, minute, admitted, refused, last_at)
VALUES (:organization_id, :minute, :admitted, :refused, :last_at)
ON CONFLICT (organization_id, minute) DO UPDATE SET
    admitted = traffic.admitted + excluded.admitted,
    refused = traffic.refused + excluded.refused,
    last_at = CASE WHEN excluded.last_at > traffic.last_at THEN excluded.last_at ELSE traffic.last_at END
"""

_INSERT_REFUSAL = """
INSERT INTO refusals (id, organization_id, project_id, credential_id, at, expires_at, code, explanation)
VALUES (:id, :organization_id, :project_id, :credential_id, :at, :expires_at, :code, :explanation)
ON CONFLICT DO NOTHING
"""


def add_callers(transaction: Transaction, found: Iterable[Caller]) -> None:
    """Add what was counted to what is stored, at most CALLER_LIMIT callers a credential and then the others."""
    counted = list(found)
    known = _known(transaction, sorted({each.credential_id for each in counted}))
    folded: dict[tuple[str, int, str, str, str], Caller] = {}
    for each in counted:
        caller = _recognized(each, known[each.credential_id])
        key = (caller.credential_id, *_place(caller))
        folded[key] = _sum(folded[key], caller) if key in folded else caller
    # In one order everywhere, so that two gates cannot wait for each other's rows.
    in_order = [caller for _, caller in sorted(folded.items())]
    for caller in in_order:
        transaction.change(_ADD_CALLER, _values(caller))
    _add_daily_calls(transaction, in_order)


def add_traffic(transaction: Transaction, counted: Iterable[Traffic]) -> None:
    # In one order everywhere, so that two gates cannot wait for each other's rows.
    for each in sorted(counted, key=lambda one: (one.organization_id, one.minute)):
        transaction.change(_ADD_TRAFFIC, _values(each))


def delete_traffic_before(transaction: Transaction, moment: datetime) -> int:
    return transaction.change("DELETE FROM traffic WHERE minute < :moment", {"moment": micros(moment)})


def insert_refusals(transaction: Transaction, found: Iterable[StoredRefusal]) -> None:
    """Store refusals; one that is there already stays as it is, so a batch may be repeated."""
    for each in found:
        transaction.change(_INSERT_REFUSAL, _values(each))


def delete_expired(transaction: Transaction, *, now: datetime) -> int:
    return transaction.change("DELETE FROM refusals WHERE expires_at <= :now", {"now": micros(now)})


def day_of(at: datetime) -> datetime:
    """The beginning of the day, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _known(transaction: Transaction, credential_ids: list[CredentialId]) -> dict[str, set[_Place]]:
    known: dict[str, set[_Place]] = defaultdict(set)
    for start in range(0, len(credential_ids), _BATCH):
        asked = {f"id_{number}": each for number, each in enumerate(credential_ids[start : start + _BATCH])}
        names = ", ".join(f":{name}" for name in asked)
        query = f"SELECT credential_id, service_id, address, user_agent, scheme FROM callers WHERE credential_id IN ({names})"  # noqa: S608, E501 - our own names
        for credential_id, service_id, address, user_agent, scheme in transaction.rows(query, asked):
            known[credential_id].add((service_id, address, user_agent, scheme))
    return known


def _recognized(caller: Caller, known: set[_Place]) -> Caller:
    caller = replace(caller, user_agent=caller.user_agent[:LONGEST_USER_AGENT])
    if _place(caller) in known or len(known) < CALLER_LIMIT:
        known.add(_place(caller))
        return caller
    return replace(caller, service_id=0, address=OTHERS, user_agent="")


def _place(caller: Caller) -> _Place:
    return caller.service_id, caller.address, caller.user_agent, caller.scheme


def _sum(one: Caller, other: Caller) -> Caller:
    return replace(
        one,
        first_seen_at=min(one.first_seen_at, other.first_seen_at),
        last_seen_at=max(one.last_seen_at, other.last_seen_at),
        admitted=one.admitted + other.admitted,
        refused=one.refused + other.refused,
    )


def _add_daily_calls(transaction: Transaction, in_order: Sequence[Caller]) -> None:
    """Count what was admitted by a service for its day, and forget the days that nobody asks for any more."""
    for each in in_order:
        if each.admitted and (each.service_id or each.address == OTHERS):
            transaction.change(_ADD_DAILY_CALLS, _values(each) | {"day": micros(day_of(each.last_seen_at))})
    if in_order:
        oldest = day_of(max(each.last_seen_at for each in in_order)) - DAYS_KEPT * _DAY
        transaction.change("DELETE FROM daily_calls WHERE day < :oldest", {"oldest": micros(oldest)})


def _values(row: Caller | Traffic | StoredRefusal) -> dict[str, Any]:
    return {name: micros(value) if isinstance(value, datetime) else value for name, value in asdict(row).items()}
