"""What the demo's three APIs answer, in memory: profiles, accounts with their settings, data plans.

They know nothing of credentials: who reaches them, and with which account or workspace, the gate has decided.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from credenza.cli.demo_catalog import PLANNING, PLATFORM, PROFILES

Answer: TypeAlias = tuple[HTTPStatus, Any]

_MOST_PLANS = 100
_MOST_BYTES = 10_000
_PEOPLE = ("Ada", "Alan", "Barbara", "Edsger", "Grace", "Katherine", "Margaret", "Radia")
_NOT_FOUND: Answer = (HTTPStatus.NOT_FOUND, {"error": "There is no such thing here."})
_NOT_ALLOWED: Answer = (HTTPStatus.METHOD_NOT_ALLOWED, {"error": "This is not done here."})


@dataclass(frozen=True, slots=True)
class Place:
    """An account or a workspace, by its id and name."""

    id: str
    name: str


@dataclass(slots=True)
class Apis:
    """`tree` are the accounts with their workspaces, as they were when the demo started."""

    tree: Mapping[Place, tuple[Place, ...]]
    _settings: dict[str, Any] = field(default_factory=dict)
    _plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    _made: int = 0

    def answer(self, method: str, path: str, body: bytes) -> Answer | None:
        """Answer a call to one of the three; None: it is to none of them."""
        apis: dict[str, Callable[[str, list[str], bytes], Answer]] = {
            PROFILES: self._profiles,
            PLATFORM: self._accounts,
            PLANNING: self._planned,
        }
        prefix, _, below = path[1:].partition("/")
        api = apis.get(f"/{prefix}")
        if api is None:
            return None
        version, *steps = below.split("/")
        return api("GET" if method == "HEAD" else method, steps, body) if version == "v1" else _NOT_FOUND

    def _profiles(self, method: str, steps: list[str], _body: bytes) -> Answer:
        match method, steps:
            case "GET", ["workspaces", workspace, "profiles"]:
                return HTTPStatus.OK, {"profiles": [_profile(workspace, each) for each in range(3)]}
            case "GET", ["workspaces", workspace, "profiles", number] if number in ("0", "1", "2"):
                return HTTPStatus.OK, _profile(workspace, int(number))
        return _NOT_FOUND

    def _accounts(self, method: str, steps: list[str], body: bytes) -> Answer:
        if steps == ["accounts"]:
            return HTTPStatus.OK, {"accounts": [_shown(account) for account in self.tree]}
        account = next((each for each in self.tree if steps[:2] == ["accounts", each.id]), None)
        if account is None:
            return _NOT_FOUND
        if steps[2:] == ["settings"] and method == "PUT":
            return self._keep(self._settings, account.id, body, HTTPStatus.OK)
        known = {
            "": _shown(account),
            "workspaces": {"workspaces": [_shown(each) for each in self.tree[account]]},
            "settings": self._settings.get(account.id, {}),
        }.get("/".join(steps[2:]))
        return _NOT_FOUND if known is None else (HTTPStatus.OK, known)

    def _planned(self, method: str, steps: list[str], body: bytes) -> Answer:
        match steps:
            case ["workspaces", workspace, "plans"]:
                return self._all_plans(method, self._plans.setdefault(workspace, {}), body)
            case ["workspaces", workspace, "plans", plan] if plan in self._plans.get(workspace, {}):
                return self._one_plan(method, self._plans[workspace], plan, body)
        return _NOT_FOUND

    def _all_plans(self, method: str, plans: dict[str, Any], body: bytes) -> Answer:
        if method == "GET":
            return HTTPStatus.OK, {"plans": [{"id": plan, **facts} for plan, facts in plans.items()]}
        if method != "POST":
            return _NOT_ALLOWED
        if len(plans) >= _MOST_PLANS:
            return HTTPStatus.CONFLICT, {"error": f"A workspace has at most {_MOST_PLANS} data plans in this demo."}
        self._made += 1
        return self._keep(plans, str(self._made), body, HTTPStatus.CREATED)

    def _one_plan(self, method: str, plans: dict[str, Any], plan: str, body: bytes) -> Answer:
        if method == "GET":
            return HTTPStatus.OK, {"id": plan, **plans[plan]}
        if method == "DELETE":
            return HTTPStatus.OK, {"id": plan, **plans.pop(plan)}
        return self._keep(plans, plan, body, HTTPStatus.OK) if method == "PUT" else _NOT_ALLOWED

    def _keep(self, kept: dict[str, Any], identity: str, body: bytes, status: HTTPStatus) -> Answer:
        facts = _read(body)
        if facts is None:
            return HTTPStatus.BAD_REQUEST, {"error": f"Send a JSON object of at most {_MOST_BYTES} bytes."}
        kept[identity] = facts
        return status, {"id": identity, **facts}


def _shown(place: Place) -> dict[str, str]:
    return {"id": place.id, "name": place.name}


def _profile(workspace: str, number: int) -> dict[str, Any]:
    """Somebody who is the same at every call."""
    seed = hashlib.sha256(f"{workspace}/{number}".encode()).digest()
    name = _PEOPLE[seed[0] % len(_PEOPLE)]
    return {"id": str(number), "workspace": workspace, "name": name, "visits": seed[1], "consent": seed[2] % 2 == 0}


def _read(body: bytes) -> dict[str, Any] | None:
    if len(body) > _MOST_BYTES:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
