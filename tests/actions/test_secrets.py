"""Canaries: after every action with a secret in it, no copy of the database and no log holds one."""

import base64
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text
from tests.actions import repeatable
from tests.actions.stage import KEY_ENCRYPTION_KEY, Shop, Stage

from credenza.actions import access_tokens, first_admin
from credenza.actions.once import Once
from credenza.domain.errors import Refusal
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
        stage.platform, link, email="ann@example.org", name="Ann", organization="Acme", now=stage.now
    )
    shop = Shop(stage)
    token = repeatable.access_token_create(shop).ask(stage.platform, ONCE)
    repeatable.key_add(shop).ask(stage.platform, ONCE_MORE)
    with pytest.raises(Refusal):
        access_tokens.authenticate(stage.platform, token.secret + "x", address="192.0.2.7", now=stage.now)

    dumped = database_dump(stage) + repr(logs).encode() + "".join(capsys.readouterr()).encode()

    texts = [link, admin.access_token, token.secret, ONCE.key, ONCE_MORE.key]
    keys = [KEY_ENCRYPTION_KEY, stage.platform.pepper, stage.platform.vault.derive("idempotency")]
    keys += [private_number(key) for key in private_keys(stage)]
    assert token.token.prefix.encode() in dumped, "the dump is of the right database"
    for secret in texts:
        assert secret.encode() not in dumped
    for key in keys:
        assert not [spelling for spelling in spellings(key) if spelling in dumped]


def private_keys(stage: Stage) -> list[Any]:
    issuers = [issuer.private_key for issuer in stage.platform.issuers.values()]
    return [stage.platform.checkpoint_key, *issuers]


def private_number(key: Any) -> bytes:
    assert key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return int(key.private_numbers().private_value).to_bytes(32)


@pytest.mark.parametrize("make", repeatable.REPEATABLE, ids=lambda make: make.__name__)
def test_an_answer_shows_no_secret_when_it_is_printed(shop: Shop, make: Callable[[Shop], repeatable.Request]) -> None:
    answer = make(shop).ask(shop.stage.platform, None)

    assert "czp_" not in repr(answer).replace(getattr(getattr(answer, "token", None), "prefix", "czp_"), "")
