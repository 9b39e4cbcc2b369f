"""How much expires how soon, and how the outbox does: figures of the whole platform, for its operators' metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from credenza.actions import authority_notices
from credenza.actions.authority_notices import AuthorityEnd
from credenza.actions.context import Platform
from credenza.domain.expiry import NOTICE_DAYS
from credenza.domain.outbox import Channel, State
from credenza.store import endings, outbox
from credenza.store.engine import reading


@dataclass(frozen=True, slots=True)
class Figures:
    """`expiring` counts what ends within so many days; `deliveries` what was settled in 90 days, and what waits."""

    expiring: Mapping[int, int]
    deliveries: Mapping[tuple[Channel, State], int]
    authorities: tuple[AuthorityEnd, ...] = ()


def read(platform: Platform, *, now: datetime) -> Figures:
    horizon = sorted(days for days in NOTICE_DAYS if days)
    boundaries = [now, *(now + timedelta(days=days) for days in horizon)]
    with reading(platform.database.records) as connection:
        counts = endings.count_all_between(connection, boundaries)
        deliveries = outbox.count_by_state(connection)
        authorities = authority_notices.ends(connection)
    return Figures(dict(zip(horizon, accumulate(counts), strict=True)), deliveries, authorities)
