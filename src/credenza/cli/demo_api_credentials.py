"""The demo's API credentials, in several states, made by the actions themselves.

The client id and the secret of one that works are written to a file for the partner's shell.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from credenza.actions import api_credentials
from credenza.actions.api_credentials import Choices, IssuedApiCredential, NewApiCredential
from credenza.actions.context import Platform
from credenza.cli.demo_seed import Seeded
from credenza.domain.api_credentials import ApiGrant, OldSecret
from credenza.domain.model import EnvironmentName

CLIENT = "web-analytics.env"
"""Where the working one is, as lines of a shell, with the workspace that it may read."""

_SANDBOX, _PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Counter:
    """Where the credentials are made."""

    platform: Platform
    seeded: Seeded
    choices: Choices
    now: datetime

    def grant(self, api: str, permissions: str, *places: str) -> ApiGrant:
        """Permissions of one of the three APIs, where they are for, by names."""
        offer = next(each for each in self.choices.offers if each.name == api)
        ids = {each.name: each.id for each in self.choices.places if each.level is offer.level}
        return ApiGrant(offer.service_id, frozenset(permissions.split()), frozenset(ids[name] for name in places))

    def create(self, new: NewApiCredential, age: timedelta) -> IssuedApiCredential:
        place = (self.platform, self.seeded.owner, self.seeded.organization.id)
        return api_credentials.create(*place, new, now=self.now - age)


def seed(platform: Platform, directory: Path, seeded: Seeded, *, now: datetime) -> None:
    """Make them; `directory` receives the client id and secret of the one that works, mode 0600."""
    choices = api_credentials.list_choices(platform, seeded.owner, seeded.organization.id, now=now)
    counter = _Counter(platform, seeded, choices, now)
    reads = counter.grant("Profile API", "read", "Web-EU", "Web-US")
    _keep(directory / CLIENT, _analytics(counter, reads))
    _planner(counter)
    _ending(counter, reads)
    _put_away(counter, reads)


def _analytics(counter: _Counter, reads: ApiGrant) -> IssuedApiCredential:
    """In the middle of a rotation: the old secret lives for six more days."""
    new = NewApiCredential(
        "Web analytics", _SANDBOX, (reads,), note="Vault: acme/web-analytics", ends_at=counter.now + 90 * _DAY
    )
    made = counter.create(new, 40 * _DAY)
    owner, organization = counter.seeded.owner, counter.seeded.organization.id
    asked = (counter.platform, owner, organization, made.view.credential.id)
    return api_credentials.issue_secret(*asked, keep_old=OldSecret.WEEK, now=counter.now - _DAY).issued


def _planner(counter: _Counter) -> None:
    grants = (
        counter.grant("Data Planning API", "read write", "Web-EU", "Apps-EU"),
        counter.grant("Platform API", "user"),
    )
    networks = ("192.0.2.0/24", "2001:db8:40::/48")
    new = NewApiCredential("Data planner", _PRODUCTION, grants, note="Runs at the agency", networks=networks)
    counter.create(new, 200 * _DAY)


def _ending(counter: _Counter, reads: ApiGrant) -> None:
    """One that ends soon, and one that has ended."""
    counter.create(
        NewApiCredential("Nightly export", _PRODUCTION, (reads,), ends_at=counter.now + 12 * _DAY), 353 * _DAY
    )
    counter.create(
        NewApiCredential("Trial of a partner", _SANDBOX, (reads,), ends_at=counter.now - 10 * _DAY), 40 * _DAY
    )


def _put_away(counter: _Counter, reads: ApiGrant) -> None:
    """One that was switched off, and one that only the audit log knows."""
    owner, organization = counter.seeded.owner, counter.seeded.organization.id
    off = counter.create(NewApiCredential("Former agency", _PRODUCTION, (reads,)), 300 * _DAY)
    gone = counter.create(NewApiCredential("Proof of concept", _SANDBOX, (reads,)), 250 * _DAY)
    platform, then = counter.platform, counter.now - 30 * _DAY
    api_credentials.deactivate(platform, owner, organization, off.view.credential.id, now=then)
    api_credentials.delete(platform, owner, organization, gone.view.credential.id, now=then)


def _keep(path: Path, issued: IssuedApiCredential) -> None:
    (clause,) = issued.view.review.clauses
    lines = {
        "API_CLIENT_ID": issued.view.credential.client_id,
        "API_CLIENT_SECRET": issued.secret,
        "API_WORKSPACE": clause.places[0].id,
    }
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"export {name}='{value}'\n" for name, value in lines.items())
