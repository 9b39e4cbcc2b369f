"""Operators hear in time that a certificate authority ends: our own, those above it, and those of others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.actions import post_office
from tests.actions.post_office import DAY, PostOffice
from tests.actions.stage import OPERATOR, SANDBOX, Shop, Stage
from tests.actions.test_trusted_authorities import SIGNS
from tests.protocol.authorities import Party

from credenza.actions import authorities, authority_notices, notice_figures, trusted_authorities
from credenza.actions.authority_notices import AuthorityEnd, Part
from credenza.actions.context import Platform
from credenza.actions.trusted_authorities import NewTrust
from credenza.domain.expiry import AUTHORITY_NOTICE_DAYS, NOTICE_DAYS
from credenza.store.engine import reading

EVERYBODY = ("desk@platform.example", "pki@platform.example")


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


def run_by(stage: Stage, *operators: str) -> Platform:
    return replace(stage.platform, policy=replace(stage.platform.policy, operators=operators))


def ends(stage: Stage, part: Part) -> list[AuthorityEnd]:
    with reading(stage.platform.database.records) as connection:
        found = authority_notices.ends(connection)
    return [each for each in found if each.environment is SANDBOX and each.part is part]


def live_through(stage: Stage, office: PostOffice, ending: AuthorityEnd) -> list[str]:
    """Plan and send from long before an end to after it, twice a notice; what the first operator was told of it."""
    platform = run_by(stage, *EVERYBODY)
    for days in (AUTHORITY_NOTICE_DAYS[0] + 20, *AUTHORITY_NOTICE_DAYS):
        for later in (timedelta(hours=1), timedelta(hours=2)):
            stage.clock.set(ending.not_after - timedelta(days=days) + later)
            post_office.turn(platform, office, now=stage.now)
    return [each.text for each in office.mails if each.to == EVERYBODY[0] and ending.authority_id in each.text]


def test_an_authority_that_signs_gives_notice_from_two_years_on(stage: Stage, office: PostOffice) -> None:
    (issuing,) = ends(stage, Part.ISSUING)

    told = live_through(stage, office, issuing)

    assert len(told) == len(AUTHORITY_NOTICE_DAYS)
    assert f"ends on {issuing.not_after:%Y-%m-%d %H:%M:%S} UTC" in told[0]
    assert "credenza ca roll-over --env sandbox" in told[0]
    assert "has ended on" in told[-1]
    assert sorted(office.to(EVERYBODY[0])) == sorted(office.to(EVERYBODY[1]))
    assert office.doubled() == []


def test_one_that_has_a_successor_gives_no_notice_any_more(stage: Stage, office: PostOffice) -> None:
    (issuing,) = ends(stage, Part.ISSUING)
    stage.clock.set(issuing.not_after - 800 * DAY)
    authorities.publish_next(stage.platform, OPERATOR, SANDBOX, now=stage.now)
    authorities.let_next_sign(stage.platform, OPERATOR, SANDBOX, now=stage.now)

    assert live_through(stage, office, issuing) == []


def test_the_root_above_gives_notice_too(stage: Stage, office: PostOffice) -> None:
    (above,) = ends(stage, Part.ABOVE)

    told = live_through(stage, office, above)

    assert "credenza ca init --env sandbox" in told[0]
    assert "has ended on" in told[-1]


def trusted(stage: Stage) -> AuthorityEnd:
    made = Party("Acme Root").root(extensions=[SIGNS], ends=1000 * DAY)
    new = NewTrust(SANDBOX, "Acme", made.public_bytes(Encoding.PEM))
    trusted_authorities.add(stage.platform, OPERATOR, new, now=stage.now)
    (found,) = ends(stage, Part.TRUSTED)
    return found


def test_a_trusted_authority_gives_the_notices_that_credentials_give(stage: Stage, office: PostOffice) -> None:
    told = live_through(stage, office, trusted(stage))

    assert len(told) == len(NOTICE_DAYS)
    assert "Acme" in told[0]
    assert "credenza ca trust add FILE --name NAME --env sandbox" in told[0]


def test_one_that_is_trusted_no_more_gives_none(stage: Stage, office: PostOffice) -> None:
    found = trusted(stage)
    trusted_authorities.disable(stage.platform, OPERATOR, found.authority_id, now=stage.now)

    assert live_through(stage, office, found) == []


def test_a_server_that_slept_sends_the_nearest_notice_alone_and_once(stage: Stage, office: PostOffice) -> None:
    (issuing,) = ends(stage, Part.ISSUING)
    platform = run_by(stage, EVERYBODY[0])
    stage.clock.set(issuing.not_after - 800 * DAY)
    post_office.turn(platform, office, now=stage.now)

    for days in (25, 25, 24):
        stage.clock.set(issuing.not_after - days * DAY)
        post_office.turn(platform, office, now=stage.now)

    assert len([each for each in office.mails if issuing.authority_id in each.text]) == 1


def test_without_operators_nobody_is_written_to_and_the_metric_tells(shop: Shop, office: PostOffice) -> None:
    (issuing,) = ends(shop.stage, Part.ISSUING)
    shop.stage.clock.set(issuing.not_after - DAY)

    post_office.turn(shop.stage.platform, office, now=shop.stage.now)
    figures = notice_figures.read(shop.stage.platform, now=shop.stage.now)

    assert [each for each in office.mails if "authority" in each.subject] == []
    assert issuing in figures.authorities
    certified = authorities.certificate_of(shop.stage.platform, SANDBOX, authorities.Role.ISSUING)
    assert issuing.not_after == x509.load_der_x509_certificate(certified).not_valid_after_utc
