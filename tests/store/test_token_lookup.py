"""The gate's questions about tokens get the same answers from both databases, each with the number it is true at."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.clock import NOON
from tests.store.gate_connection import GateConnection
from tests.store.rows import SANDBOX

from credenza.domain.model import PLATFORM, ChangeNumber, OrganizationId
from credenza.domain.token_keys import IssuerKind, TokenKey
from credenza.domain.tokens import ResourceServer, RevokedToken, hash_jti
from credenza.store import changes, resource_servers, revoked_tokens, token_keys, token_lookup
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, reading, writing
from credenza.store.instants import micros
from credenza.store.token_lookup import (
    Introspector,
    IntrospectorSnapshot,
    RevocationSnapshot,
    SigningKey,
    TokenKeySnapshot,
)

HOUR = timedelta(hours=1)


class Questions(GateConnection):
    """Puts the questions as a gate does, over a connection of its own."""

    def token_keys(self) -> TokenKeySnapshot:
        if self._embedded:
            return self._sqlite.token_keys()
        return token_lookup.token_key_snapshot(self._rows(token_lookup.TOKEN_KEYS))

    def introspectors(self) -> IntrospectorSnapshot:
        if self._embedded:
            return self._sqlite.introspectors()
        return token_lookup.introspector_snapshot(self._rows(token_lookup.RESOURCE_SERVERS))

    def revoked_tokens(self, now: datetime) -> RevocationSnapshot:
        if self._embedded:
            return self._sqlite.revoked_tokens(now=now)
        statement = token_lookup.REVOKED_TOKENS.format(now="%s")
        return token_lookup.revocation_snapshot(self._rows(statement, micros(now)))


@pytest.fixture
def ask(database: Database) -> Iterator[Questions]:
    questions = Questions(database)
    yield questions
    questions.close()


def a_key(**columns: Any) -> TokenKey:
    fields = {
        "kid": "A" * 43,
        "environment": SANDBOX,
        "issuer": IssuerKind.FAPI2,
        "generation": 1,
        "algorithm": "ES256",
        "public_jwk": "{}",
        "published_at": NOON,
        "signs_from": NOON,
        **columns,
    }
    return TokenKey(**fields)


def test_token_keys_come_with_their_wrapped_halves_and_retired_ones_do_not(ask: Questions, database: Database) -> None:
    current = a_key()
    following = a_key(kid="B" * 43, generation=2, signs_from=NOON + HOUR)
    gone = a_key(kid="C" * 43, generation=3, signs_from=NOON + HOUR)
    with writing(database.records) as connection:
        for key in (current, following, gone):
            assert token_keys.insert_key(connection, key, wrapped_private_key=b"sealed")
        ended = a_key(signs_until=NOON + HOUR, published_until=NOON + 2 * HOUR)
        token_keys.set_times(connection, ended)
        retired = {"retired_at": NOON, "signs_until": NOON, "published_until": NOON}
        token_keys.set_times(connection, a_key(kid="C" * 43, generation=3, signs_from=NOON + HOUR, **retired))

    found = ask.token_keys()

    assert found == TokenKeySnapshot(ChangeNumber(0), (SigningKey(ended, b"sealed"), SigningKey(following, b"sealed")))
    assert "sealed" not in repr(found)


def test_a_generation_is_taken_once(database: Database) -> None:
    with writing(database.records) as connection:
        first = token_keys.insert_key(connection, a_key(), wrapped_private_key=b"1")
        second = token_keys.insert_key(connection, a_key(kid="B" * 43), wrapped_private_key=b"2")

        assert (first, second) == (True, False)
        (found,) = token_keys.list_line(connection, SANDBOX, IssuerKind.FAPI2)
        assert found == a_key() == token_keys.find(connection, "A" * 43)


def test_a_key_that_has_gone_is_deleted_and_a_retired_one_is_remembered(database: Database) -> None:
    times = {"signs_until": NOON, "published_until": NOON + HOUR}
    with writing(database.records) as connection:
        for key in (a_key(), a_key(kid="B" * 43, generation=2, signs_from=NOON + HOUR)):
            token_keys.insert_key(connection, key, wrapped_private_key=b"sealed")
        token_keys.set_times(connection, a_key(**times))
        token_keys.set_times(
            connection, a_key(kid="B" * 43, generation=2, signs_from=NOON + HOUR, retired_at=NOON, **times)
        )

        assert token_keys.delete_gone(connection, now=NOON) == 0
        assert token_keys.delete_gone(connection, now=NOON + HOUR) == 1
        assert [key.kid for key in token_keys.list_all(connection)] == ["B" * 43]


def test_introspectors_are_those_that_are_not_removed(ask: Questions, database: Database) -> None:
    kept = ResourceServer("a", SANDBOX, "ledger", "czs_sbx_ab", NOON, None)
    with writing(database.records) as connection:
        resource_servers.insert_server(connection, kept, secret_hash="0" * 64)
        removed = ResourceServer("b", SANDBOX, "old", "czs_sbx_cd", NOON, None)
        resource_servers.insert_server(connection, removed, secret_hash="1" * 64)
        resource_servers.mark_removed(connection, "b", now=NOON)

    found = ask.introspectors()

    assert found == IntrospectorSnapshot(ChangeNumber(0), (Introspector("a", SANDBOX, "ledger", "0" * 64),))
    with reading(database.records) as connection:
        assert resource_servers.list_present(connection) == (kept,)


def test_a_revoked_token_is_news_once_and_forgotten_at_its_end(ask: Questions, database: Database) -> None:
    token = RevokedToken(hash_jti("jti"), SANDBOX, OrganizationId(PLATFORM), NOON + HOUR)
    with writing(database.records) as connection:
        numbers = [revoked_tokens.revoke(connection, token, now=NOON) for _ in range(2)]
        (change,) = changes.since(connection, ChangeNumber(0))

    assert numbers == [change.number, None]
    assert (change.kind, change.subject) == (ChangeKind.TOKEN, token.jti_hash)
    assert ask.revoked_tokens(NOON) == RevocationSnapshot(ChangeNumber(1), {token.jti_hash: NOON + HOUR})
    assert ask.revoked_tokens(NOON + HOUR).revoked == {}
    with writing(database.records) as connection:
        assert revoked_tokens.delete_ended(connection, before=NOON) == 0
        assert revoked_tokens.delete_ended(connection, before=NOON + HOUR) == 1


def test_none_of_all_is_an_answer(ask: Questions) -> None:
    assert ask.token_keys() == TokenKeySnapshot(ChangeNumber(0), ())
    assert ask.introspectors() == IntrospectorSnapshot(ChangeNumber(0), ())
    assert ask.revoked_tokens(NOON) == RevocationSnapshot(ChangeNumber(0), {})
