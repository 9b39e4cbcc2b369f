"""The overview of an organization, how many calls come in, and why one call was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from credenza.actions import expiry, traces
from credenza.actions import overview as seen
from credenza.actions.overview import PERIOD
from credenza.domain.model import OrganizationId
from credenza.portal import charts
from credenza.portal.charts import PaceChart
from credenza.portal.reasons import REASONS, STEPS
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


@dataclass(frozen=True, slots=True)
class PaceView:
    """Calls of the last minutes, as the page says it. `last_at` is None when none was counted within a day."""

    last_at: datetime | None
    minutes: int
    admitted: int
    refused: int
    chart: PaceChart

    @property
    def per_minute(self) -> float:
        return (self.admitted + self.refused) / self.minutes

    @property
    def share_refused(self) -> float:
        calls = self.admitted + self.refused
        return self.refused / calls if calls else 0.0


def show(visit: Visit) -> Response:
    organization_id = OrganizationId(visit.path("organization_id"))
    platform, actor, now = visit.portal.platform, visit.actor, visit.now
    months = expiry.count_by_month(platform, actor, organization_id, now=now)
    return render(
        visit,
        "overview.html",
        section="overview",
        organization_id=organization_id,
        found=seen.see(platform, actor, organization_id, now=now),
        timeline=charts.timeline(months, now=now),
        pace=_pace(visit, organization_id),
        reasons=REASONS,
    )


def show_pace(visit: Visit) -> Response:
    """The part of the overview that changes by the second."""
    organization_id = OrganizationId(visit.path("organization_id"))
    return render(visit, "parts/pace.html", organization_id=organization_id, pace=_pace(visit, organization_id))


def show_refusal(visit: Visit) -> Response:
    refused = traces.refusal(visit.portal.platform, visit.actor, visit.path("refusal_id"), now=visit.now)
    return render(visit, "refusal.html", refused=refused, reasons=REASONS, steps=STEPS)


def _pace(visit: Visit, organization_id: OrganizationId) -> PaceView:
    pace = seen.pace(visit.portal.platform, visit.actor, organization_id, now=visit.now)
    admitted, refused = pace.within(PERIOD, now=visit.now)
    minutes = int(PERIOD.total_seconds()) // 60
    return PaceView(pace.last_at, minutes, admitted, refused, charts.pace_chart(pace, now=visit.now))
