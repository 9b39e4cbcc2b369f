"""From a migrated database and a key-encryption key to a platform: made once, checked ever after."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from tests.actions.stage import KEY_ENCRYPTION_KEY, PRODUCTION, SANDBOX, Shop, issuing_authority, new_platform
from tests.clock import NOON

from credenza.actions import access_tokens, authorities, start
from credenza.adapters.passwords import Argon2Passwords
from credenza.adapters.vault import LocalVault, WrongKey
from credenza.adapters.weak_keys import WeakKeys
from credenza.domain.model import EnvironmentName
from credenza.store.certificates import AuthorityRole
from credenza.store.engine import Database, writing
from credenza.store.schema import wrapped_secrets

LATER = NOON + timedelta(days=1)


def test_a_second_start_finds_what_the_first_one_made(shop: Shop) -> None:
    token = access_tokens.create(
        shop.stage.platform,
        shop.owner.actor,
        shop.organization.id,
        name="ci",
        scopes=frozenset({"read"}),
        days=1,
        now=NOON,
    )
    before = shop.stage.dump()

    again = new_platform(shop.stage.platform.database, now=LATER - timedelta(hours=1))

    assert shop.stage.dump() == before
    for environment in (SANDBOX, PRODUCTION):
        assert issuing_authority(again, environment) == issuing_authority(shop.stage.platform, environment)
    assert access_tokens.authenticate(again, token.secret, address="", now=NOON).id == token.token.id


def test_a_wrong_key_encryption_key_refuses_to_start_and_changes_nothing(shop: Shop) -> None:
    before = shop.stage.dump()

    with pytest.raises(WrongKey):
        start.prepare(
            shop.stage.platform.database,
            LocalVault(bytes(32)),
            WeakKeys(),
            Argon2Passwords(memory_kib=8),
            random=secrets.token_bytes,
            pki_url="",
            public_url="",
            now=LATER,
        )

    assert shop.stage.dump() == before


def test_a_wrapped_value_does_not_open_in_another_s_place(shop: Shop) -> None:
    with writing(shop.stage.platform.database.records) as connection:
        moved = connection.execute(wrapped_secrets.select().where(wrapped_secrets.c.name == "checkpoint key")).one()
        connection.execute(
            wrapped_secrets.update().where(wrapped_secrets.c.name == "pepper").values(wrapped=moved.wrapped)
        )

    with pytest.raises(WrongKey, match="pepper"):
        new_platform(shop.stage.platform.database, now=LATER)


def test_two_nodes_that_start_first_at_once_agree(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        platforms = list(threads.map(lambda _: new_platform(database, now=NOON), range(4)))

    assert len({platform.pepper for platform in platforms}) == 1
    for environment in EnvironmentName:
        assert len({issuing_authority(platform, environment) for platform in platforms}) == 1


@pytest.mark.parametrize("environment", EnvironmentName)
def test_each_environment_has_an_issuing_authority_under_a_root_of_its_own(
    shop: Shop, environment: EnvironmentName
) -> None:
    platform = shop.stage.platform
    root = x509.load_der_x509_certificate(authorities.certificate_of(platform, environment, AuthorityRole.ROOT))
    issuing = issuing_authority(platform, environment)

    root.verify_directly_issued_by(root)
    issuing.verify_directly_issued_by(root)
    assert environment.capitalize() in issuing.subject.rfc4514_string()


def test_nothing_secret_shows_in_a_platform(shop: Shop) -> None:
    shown = repr(shop.stage.platform)

    for secret in (KEY_ENCRYPTION_KEY, shop.stage.platform.pepper):
        assert repr(secret) not in shown
        assert secret.hex() not in shown
    assert "PrivateKey" not in shown
