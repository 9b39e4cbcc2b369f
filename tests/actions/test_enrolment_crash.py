"""Killed at any point while a device enrols or re-enrols: nothing signed is unrecorded, and the same request ends in
the one certificate."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.actions.killer import Killer
from tests.actions.repeatable import PATIENCE
from tests.actions.stage import SANDBOX, Shop, new_platform
from tests.actions.test_crash import FAILPOINTS, states
from tests.actions.test_enrolment import asked, nearly_ended, secret
from tests.clock import Clock

from credenza.actions import enrolment
from credenza.actions.context import Platform
from credenza.store.schema import certificates

KILLS = 20


@dataclass(frozen=True, slots=True)
class Request:
    """What a device asks, to be pickled. It has no Idempotency-Key of its own."""

    action: str
    call: Callable[..., Any]
    shown: str | bytes
    csr: bytes
    clock: Clock

    def ask(self, platform: Platform, _once: object) -> Any:
        return self.call(platform, SANDBOX, self.shown, self.csr, address="", now=self.clock.now())


def by_secret(shop: Shop, number: int) -> Request:
    return Request("certificate.enrol", enrolment.enrol, secret(shop), asked(f"till-{number}"), shop.stage.clock)


def by_certificate(shop: Shop, number: int) -> Request:
    held = nearly_ended(shop, asked(f"till-{number}"))
    shop.stage.clock.advance(timedelta(days=1))
    request = asked(f"till-{number}")
    return Request("certificate.reenrol", enrolment.reenrol, held.certificate_der, request, shop.stage.clock)


@pytest.mark.parametrize("make", [by_secret, by_certificate], ids=lambda make: make.__name__)
@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_the_same_request_has_the_one_certificate_in_the_end(
    mtls_shop: Shop,
    make: Callable[[Shop, int], Request],
    failpoint: str,
    killer: Killer,
    scale: Callable[[int], int],
) -> None:
    stage = mtls_shop.stage
    for number in range(scale(KILLS)):
        request = make(mtls_shop, number)
        new_platform(stage.platform.database, now=stage.now)  # whoever starts makes what is due: not the one killed
        before = stage.traces()

        killer.kill_at(failpoint, stage, request)  # type: ignore[arg-type]  # asks as a Request does
        stage.clock.advance(PATIENCE)
        answer = request.ask(stage.platform, None)

        assert request.ask(stage.platform, None) == answer
        issued = [row.der for row in stage.rows(certificates) if row.credential_id == answer.id]
        assert issued == [answer.certificate_der]
        assert states(stage) == ["ISSUED"] * len(states(stage))
        assert stage.new_traces(before) == [(request.action, "done", "")]
