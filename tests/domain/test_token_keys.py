"""The line of an issuer's keys: each is published before it signs, and kept until its last token is gone."""

from datetime import timedelta

from tests.clock import NOON

from credenza.domain import token_keys
from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import CACHE_TIME, ROTATION, IssuerKind, NextKey, TokenKey

MINUTE = timedelta(minutes=1)


class Line:
    """Keys as they would stand in the table, settled as an installation settles them."""

    def __init__(self) -> None:
        self.now = NOON
        self.keys: dict[str, TokenKey] = {}

    def settle(self) -> None:
        self._store()
        found = token_keys.missing(self.line(), rotation=ROTATION, now=self.now)
        while found is not None:
            self._add(found)
            found = token_keys.missing(self.line(), rotation=ROTATION, now=self.now)
        self._store()

    def retire(self, kid: str) -> None:
        self.keys[kid] = token_keys.retired(self.keys[kid], now=self.now)
        self.settle()

    def line(self) -> tuple[TokenKey, ...]:
        return tuple(self.keys.values())

    def signing(self) -> list[str]:
        return [key.kid for key in self.line() if key.retired_at is None and key.signs(self.now)]

    def published(self) -> list[str]:
        return [key.kid for key in self.line() if key.retired_at is None and key.published(self.now)]

    def _store(self) -> None:
        self.keys |= {key.kid: key for key in token_keys.succession(self.line(), now=self.now)}

    def _add(self, new: NextKey) -> None:
        kid = f"key {new.generation}"
        self.keys[kid] = TokenKey(
            kid=kid,
            environment=EnvironmentName.SANDBOX,
            issuer=IssuerKind.FAPI2,
            generation=new.generation,
            algorithm="ES256",
            public_jwk="{}",
            published_at=new.published_at,
            signs_from=new.signs_from,
        )


def begun() -> Line:
    line = Line()
    line.settle()
    return line


def test_a_line_begins_with_a_key_that_signs_and_its_successor() -> None:
    line = begun()

    assert line.signing() == ["key 1"]
    assert line.published() == ["key 1", "key 2"]
    assert line.keys["key 2"].signs_from == NOON + ROTATION == line.keys["key 1"].signs_until


def test_exactly_one_key_signs_at_any_time_and_was_published_long_before() -> None:
    line = begun()
    for _ in range(400):
        line.now += timedelta(hours=7)
        line.settle()

        (kid,) = line.signing()
        key = line.keys[kid]
        assert key.generation == 1 or key.signs_from - key.published_at >= CACHE_TIME
    assert len(line.keys) > 4


def test_a_key_stays_published_until_its_last_token_is_gone() -> None:
    line = begun()
    end = line.keys["key 1"].signs_until
    assert end is not None

    line.now = end + timedelta(seconds=900)
    line.settle()

    assert line.signing() == ["key 2"]
    assert "key 1" in line.published()
    line.now = end + timedelta(seconds=961)
    assert "key 1" not in line.published()


def test_a_retired_key_is_followed_at_once_by_its_published_successor() -> None:
    line = begun()
    line.now += timedelta(days=1)

    line.retire("key 1")

    assert line.signing() == ["key 2"]
    assert line.published() == ["key 2", "key 3"]
    assert line.keys["key 3"].signs_from == line.now + ROTATION


def test_a_successor_that_no_cache_can_know_yet_waits() -> None:
    """Two compromises in ten minutes: nothing signs rather than a key that others would refuse."""
    line = begun()
    line.now += 2 * CACHE_TIME
    line.retire("key 1")
    line.now += MINUTE

    line.retire("key 2")

    assert line.signing() == []
    line.now += CACHE_TIME - MINUTE
    assert line.signing() == ["key 3"]


def test_a_retired_successor_is_replaced() -> None:
    line = begun()

    line.retire("key 2")

    assert line.signing() == ["key 1"]
    assert line.keys["key 1"].signs_until == line.keys["key 3"].signs_from == NOON + ROTATION


def test_what_has_ended_never_signs_again() -> None:
    """Nobody settled the line for two months, and then the key that had stepped in was retired."""
    line = begun()
    line.now += 2 * ROTATION

    line.retire("key 2")

    assert line.signing() == []
    line.now += CACHE_TIME
    assert line.signing() == ["key 3"]


def test_a_line_that_nobody_settles_goes_on_signing_with_its_newest_key() -> None:
    line = begun()

    line.now += 3 * ROTATION

    assert line.signing() == ["key 2"]


def test_a_settled_line_needs_no_change() -> None:
    line = begun()

    assert token_keys.succession(line.line(), now=line.now) == ()
    assert token_keys.missing(line.line(), rotation=ROTATION, now=line.now) is None


def test_a_clock_that_is_behind_does_not_put_off_the_first_key() -> None:
    """Two nodes start at once: one has read its clock, and finds what the other has made since."""
    line = begun()

    line.now -= timedelta(milliseconds=1)
    line.settle()

    line.now = NOON
    assert line.signing() == ["key 1"]


def test_the_first_key_signs_and_is_known_where_the_clock_is_behind() -> None:
    """A gate that hears of it a moment after it was made has no other one."""
    line = begun()

    line.now -= timedelta(seconds=60)

    assert line.signing() == ["key 1"]
    assert line.published() == ["key 1", "key 2"]
