"""Canaries: after every action with a secret in it, no copy of the database and no log holds one."""

import base64
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text
from tests.actions import proofs, repeatable
from tests.actions.proofs import OTHER_PASSWORD, PASSWORD, VISITOR, Device
from tests.actions.stage import KEY_ENCRYPTION_KEY, OPERATOR, Shop, Stage

from credenza.actions import access_tokens, first_admin, password_resets, passwords, sign_in_links
from credenza.actions.context import Once
from credenza.actions.passwords import SecondFactor
from credenza.domain.errors import Refusal
from credenza.domain.model import EnvironmentName, User
from credenza.store import authorities
from credenza.store.certificates import AuthorityRole
from credenza.store.engine import reading

ONCE = Once("the-canary-idempotency-key", "a" * 64)
ONCE_MORE = Once("another-canary-idempotency-key", "a" * 64)


def spellings(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")


def database_dump(stage: Stage) -> bytes:
    """Every value of every table of the server, bytes as they are, and on SQLite the files themselves."""
    engine = stage.platform.database.records
    if engine.dialect.name == "sqlite":
        folder = Path(str(engine.url.database)).parent
        return b"".join(path.read_bytes() for path in folder.iterdir())
    with reading(engine) as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        rows = [row for table in tables for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)


def test_no_secret_is_in_the_database_or_in_a_log(
    stage: Stage, logs: list[MutableMapping[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    link = first_admin.make_link(stage.platform, now=stage.now) or ""
    admin = first_admin.accept(
        stage.platform,
        link,
        email="ann@example.org",
        name="Ann",
        password=PASSWORD,
        organization="Acme",
        visitor=VISITOR,
        now=stage.now,
    )
    typed = people_prove_who_they_are(stage, admin.user)
    shop = Shop(stage)
    token = repeatable.access_token_create(shop).ask(stage.platform, ONCE)
    repeatable.key_add(shop).ask(stage.platform, ONCE_MORE)
    with pytest.raises(Refusal):
        access_tokens.authenticate(stage.platform, token.secret + "x", address="192.0.2.7", now=stage.now)

    dumped = database_dump(stage) + repr(logs).encode() + "".join(capsys.readouterr()).encode()

    texts = [link, admin.access_token, admin.begun.token, token.secret, ONCE.key, ONCE_MORE.key, PASSWORD, *typed]
    keys = [KEY_ENCRYPTION_KEY, stage.platform.pepper, stage.platform.vault.derive("idempotency")]
    keys += [private_number(key) for key in private_keys(stage)]
    assert token.token.prefix.encode() in dumped, "the dump is of the right database"
    for secret in texts:
        assert secret.encode() not in dumped
    for key in keys:
        assert not [spelling for spelling in spellings(key) if spelling in dumped]


def people_prove_who_they_are(stage: Stage, user: User) -> list[str]:
    """Type, be shown and be sent every kind of secret; what comes back is all of them."""
    begun = proofs.signed_in(stage, user)
    device = Device(stage, proofs.actor_of(stage, begun))
    half = passwords.sign_in(stage.platform, user.email, PASSWORD, VISITOR, now=stage.now)
    assert isinstance(half, SecondFactor)
    passwords.finish(stage.platform, half.token, device.recovery.codes[0], VISITOR, now=stage.now)
    reset = password_resets.make(stage.platform, OPERATOR, user.email, now=stage.now)
    password_resets.accept(stage.platform, reset, OTHER_PASSWORD, VISITOR, now=stage.now)
    password_resets.request(stage.platform, user.email, VISITOR, now=stage.now)
    link = sign_in_links.make(stage.platform, OPERATOR, user.email, now=stage.now)
    wrong = "the canary that is a wrong password"
    with pytest.raises(Refusal) as refusal:
        passwords.sign_in(stage.platform, user.email, wrong, VISITOR, now=stage.now)
    assert wrong not in str(refusal.value)
    shown = [begun.token, half.token, device.secret, *device.recovery.codes]
    assert not [each for each in shown if each in repr((begun, half, device.recovery))]
    return [*shown, reset, link, wrong, OTHER_PASSWORD]


def private_keys(stage: Stage) -> list[Any]:
    """All that the platform holds wrapped: of every authority, roots included, and of the checkpoints."""
    with reading(stage.platform.database.records) as connection:
        held = [each for each in authorities.list_all(connection) if each.has_key]
    assert {each.environment for each in held if each.role is AuthorityRole.ISSUING} == set(EnvironmentName)
    return [stage.platform.checkpoint_key, *map(stage.platform.issuer_keys.of, held)]


def private_number(key: Any) -> bytes:
    assert key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return int(key.private_numbers().private_value).to_bytes(32)


@pytest.mark.parametrize("make", repeatable.REPEATABLE, ids=lambda make: make.__name__)
def test_an_answer_shows_no_secret_when_it_is_printed(shop: Shop, make: Callable[[Shop], repeatable.Request]) -> None:
    answer = make(shop).ask(shop.stage.platform, None)

    assert "czp_" not in repr(answer).replace(getattr(getattr(answer, "token", None), "prefix", "czp_"), "")
