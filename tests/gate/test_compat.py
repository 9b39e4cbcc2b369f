"""Calls with tokens for client secrets: decided by what the credential may do now, whatever it could when it fetched
its token. Both databases."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from tests.clock import NOON
from tests.gate.api_scene import (
    HERE,
    ISSUER,
    ORIGIN,
    OTHER_AUDIENCE,
    PROFILES,
    ApiGate,
    calling,
    entry,
)

from credenza.actions import accounts, api_credentials, services, token_keys, traces, workspaces
from credenza.actions.api_credentials import IssuedApiCredential
from credenza.actions.services import NewService
from credenza.domain.api_credentials import ApiGrant, OldSecret
from credenza.domain.catalog import RouteRule, ScopeLevel
from credenza.domain.errors import Refusal
from credenza.domain.model import AuthenticationType, EnvironmentName, OrganizationRole, Service
from credenza.domain.token_keys import IssuerKind
from credenza.gate.decision import Admitted, Code, Refused
from credenza.protocol import access_token
from credenza.protocol.access_token import Claims
from credenza.store.engine import reading
from credenza.store.schema import callers, refusals

pytestmark = pytest.mark.anyio


class Shop:
    """An API with profiles by workspace, and a credential that reads those of one workspace."""

    def __init__(self, gate: ApiGate, service: Service, issued: IssuedApiCredential, token: str) -> None:
        self.gate = gate
        self.service = service
        self.issued = issued
        self.token = token

    @property
    def id(self) -> str:
        return self.issued.view.credential.id

    def path(self, workspace: str = "") -> str:
        return f"/shop/v1/workspaces/{workspace or self.gate.catalog.eu.id}/profiles/1"

    def grant(self, *permissions: str, places: tuple[str, ...] = ()) -> ApiGrant:
        chosen = places or (self.gate.catalog.eu.id,)
        return ApiGrant(self.service.id, frozenset(permissions or ("read",)), frozenset(chosen))

    async def code(self, target: str = "", method: str = "GET", **changed: Any) -> Code | None:
        return await self.gate.refusal(self.token, target or self.path(), method, **changed)


@pytest.fixture
async def shop(gate: ApiGate) -> Shop:
    service = await gate.offer(entry(ScopeLevel.WORKSPACE, *PROFILES), path="/shop")
    grant = ApiGrant(service.id, frozenset({"read"}), frozenset({gate.catalog.eu.id}))
    issued = await gate.create(grant)
    return Shop(gate, service, issued, await gate.token(issued))


# ------------------------------------------------------------------------------------------------------------ admitted


async def test_a_granted_call_is_admitted_with_who_may_do_what_where(shop: Shop) -> None:
    gate = shop.gate
    admitted = await gate.admitted(shop.token, shop.path())

    assert admitted.identity.key_id == shop.id
    assert dict(admitted.identity.headers()) == {
        "X-Credenza-Client-Id": shop.issued.view.credential.client_id,
        "X-Credenza-Key-Id": shop.id,
        "X-Credenza-Organization-Id": gate.catalog.organization.id,
        "X-Credenza-Project-Id": "",
        "X-Credenza-Environment": "SANDBOX",
        "X-Credenza-Service-Id": str(shop.service.id),
        "X-Credenza-Permission": "read",
        "X-Credenza-Account-Id": gate.catalog.account.id,
        "X-Credenza-Workspace-Id": gate.catalog.eu.id,
    }
    assert admitted.headers == ()


async def test_each_refusal_names_what_is_missing_and_none_reveals_what_is_another_organizations(
    shop: Shop, stage: Any
) -> None:
    gate = shop.gate
    foreign = type(gate.catalog)(stage)
    await gate.heard()
    us = gate.catalog.us.id

    async def told(target: str, method: str = "GET") -> tuple[int, str]:
        refused = await gate.call(shop.token, target, method)
        assert isinstance(refused, Refused)
        return refused.status, refused.description

    assert await told(shop.path(), "PUT") == (
        403,
        "The call needs the permission 'write' of Shop, which the credential does not have.",
    )
    assert await told(shop.path(us)) == (403, f"{us} is outside the scope of the credential at Shop.")
    nowhere = await told(shop.path("11111111-1111-4111-8111-111111111111"))
    assert nowhere == (404, "There is no such account or workspace.")
    assert await told(shop.path(foreign.eu.id)) == nowhere
    assert await told("/shop/v2") == (403, "Shop has no route for GET to this path.")
    assert await told(shop.path(), "DELETE") == (403, "Shop has routes for this path, and none for DELETE.")
    assert (await told("/elsewhere"))[0] == 401
    assert (await told(f"/shop/v1/workspaces/{us}%2fprofiles/1"))[0] == 400


async def test_an_unmapped_route_is_admitted_where_the_service_says_so(gate: ApiGate) -> None:
    service = await gate.offer(entry(ScopeLevel.WORKSPACE, *PROFILES, admits_unmapped=True), path="/open")
    issued = await gate.create(ApiGrant(service.id, frozenset({"read"}), frozenset({gate.catalog.eu.id})))
    token = await gate.token(issued)

    admitted = await gate.admitted(token, "/open/health")

    assert (admitted.identity.permission, admitted.identity.workspace_id) == ("", "")
    profile = f"/open/v1/workspaces/{gate.catalog.eu.id}/profiles/1"
    assert await gate.refusal(token, profile, "DELETE") is Code.UNMAPPED_ROUTE, "the catalog guards this path"
    assert await gate.refusal(token, profile, "PUT") is Code.PERMISSION_MISSING
    stranger = await gate.create(gate.catalog.reads_profiles)
    assert await gate.refusal(await gate.token(stranger), "/open/health") is Code.PERMISSION_MISSING


# ---------------------------------------------------------------------------------- the next call is by the new state


async def test_narrowing_a_permission_or_a_place_is_felt_at_the_next_call(shop: Shop) -> None:
    gate, us = shop.gate, shop.gate.catalog.us.id
    await gate.edit(shop.issued, grants=(shop.grant("read", "write", places=(gate.catalog.eu.id, us)),))
    assert [await shop.code(), await shop.code(shop.path(us), "PUT")] == [None, None], "the same token may do more"

    await gate.edit(shop.issued, grants=(shop.grant("read", places=(us,)),))

    assert await shop.code(shop.path(us)) is None
    assert await shop.code(shop.path(us), "PUT") is Code.PERMISSION_MISSING
    assert await shop.code() is Code.OUTSIDE_SCOPE


async def test_deactivating_is_felt_at_the_next_call_and_activating_too(shop: Shop) -> None:
    gate = shop.gate
    assert await shop.code() is None

    await gate.act(api_credentials.deactivate, shop.id)
    assert await shop.code() is Code.TOKEN_REVOKED

    await gate.act(api_credentials.activate, shop.id)
    assert await shop.code() is None


async def test_deleting_is_felt_at_the_next_call(shop: Shop) -> None:
    assert await shop.code() is None
    await shop.gate.act(api_credentials.delete, shop.id)
    assert await shop.code() is Code.TOKEN_REVOKED


async def test_a_token_dies_with_the_secret_that_fetched_it_and_no_other(shop: Shop) -> None:
    gate = shop.gate
    second = await gate.act(api_credentials.issue_secret, shop.id, keep_old=OldSecret.UNTIL_DELETED)
    newer = await gate.token(shop.issued, secret=second.issued.secret)
    old = next(each for each in gate.catalog.get(shop.issued).secrets if shop.issued.secret.startswith(each.prefix))

    await gate.act(api_credentials.delete_secret, shop.id, old.id, keep_last=False)

    assert await shop.code() is Code.TOKEN_REVOKED
    assert await gate.refusal(newer, shop.path()) is None


async def test_a_token_dies_when_its_secret_ends(shop: Shop) -> None:
    gate = shop.gate
    await gate.act(api_credentials.issue_secret, shop.id, keep_old=OldSecret.HOUR)
    gate.stage.clock.advance(timedelta(minutes=59))
    assert await shop.code() is None

    gate.stage.clock.advance(timedelta(minutes=1))

    assert await shop.code() in (Code.TOKEN_REVOKED, Code.TOKEN_EXPIRED)


async def test_replacing_a_secret_at_once_kills_its_tokens_at_once(shop: Shop) -> None:
    await shop.gate.act(api_credentials.issue_secret, shop.id, keep_old=OldSecret.NOT_AT_ALL)

    assert await shop.code() is Code.TOKEN_REVOKED


async def test_an_earlier_end_and_other_networks_are_felt_at_the_next_call(shop: Shop) -> None:
    gate = shop.gate
    await gate.edit(shop.issued, ends_at=NOON + timedelta(minutes=5))
    assert await shop.code() is None
    gate.stage.clock.advance(timedelta(minutes=5))
    assert await shop.code() is Code.TOKEN_REVOKED

    await gate.edit(shop.issued, ends_at=None, networks=("198.51.100.0/24",))
    assert await shop.code() is Code.ADDRESS
    assert await shop.code(address="198.51.100.1") is None


async def test_archiving_and_moving_a_workspace_is_felt_at_the_next_call(shop: Shop) -> None:
    gate = shop.gate
    other = await gate.act(accounts.create, name="Stores")
    await gate.heard()

    await gate.act(workspaces.move, gate.catalog.eu.id, to=other.id)
    admitted = await gate.admitted(shop.token, shop.path())
    assert admitted.identity.account_id == other.id

    await gate.act(workspaces.archive, gate.catalog.eu.id)
    assert await shop.code() is Code.NOT_IN_TREE


async def test_what_the_catalog_takes_away_is_felt_at_the_next_call(shop: Shop) -> None:
    gate, service = shop.gate, shop.service
    kept = entry(ScopeLevel.WORKSPACE, PROFILES[1])

    new = NewService(service.name, service.authentication, "", service.environments, entry=kept)
    await gate.operate(services.change, service.id, new)

    assert await shop.code() in (Code.UNMAPPED_ROUTE, Code.PERMISSION_MISSING)
    assert await shop.code(method="PUT") is Code.PERMISSION_MISSING


async def test_a_retired_service_is_called_by_nobody(shop: Shop) -> None:
    await shop.gate.operate(services.retire, shop.service.id)

    assert await shop.code() is Code.UNMAPPED_PATH


async def test_a_new_place_of_a_fixed_scope_is_open_at_once(gate: ApiGate) -> None:
    route = RouteRule("GET", "/v1/accounts/{account}/users", "admin", account_variable="account")
    service = await gate.offer(entry(ScopeLevel.ACCOUNT, route, fixed=True), path="/platform")
    issued = await gate.create(ApiGrant(service.id, frozenset({"admin"})))
    token = await gate.token(issued)
    assert await gate.refusal(token, f"/platform/v1/accounts/{gate.catalog.account.id}/users") is None

    made = await gate.act(accounts.create, name="New")
    await gate.heard()

    assert await gate.refusal(token, f"/platform/v1/accounts/{made.id}/users") is None


# -------------------------------------------------------------------------------------------------------------- tokens


async def test_a_token_ends(shop: Shop) -> None:
    assert await shop.code() is None
    shop.gate.stage.clock.advance(timedelta(seconds=3600))
    assert await shop.code() is Code.TOKEN_EXPIRED


async def test_a_token_is_for_one_audience(gate: ApiGate) -> None:
    own = await gate.offer(entry(ScopeLevel.WORKSPACE, *PROFILES, audience="urn:example:own"), path="/own")
    usual = await gate.offer(entry(ScopeLevel.WORKSPACE, *PROFILES), path="/usual")
    place = frozenset({gate.catalog.eu.id})
    issued = await gate.create(*(ApiGrant(each.id, frozenset({"read"}), place) for each in (own, usual)))

    codes = {
        (audience, path): await gate.refusal(
            await gate.token(issued, audience=audience), f"{path}/v1/workspaces/{gate.catalog.eu.id}/profiles/1"
        )
        for audience in (ORIGIN, OTHER_AUDIENCE, "urn:example:own")
        for path in ("/own", "/usual")
    }

    assert codes == {
        (ORIGIN, "/own"): Code.TOKEN_AUDIENCE,
        (ORIGIN, "/usual"): None,
        (OTHER_AUDIENCE, "/own"): Code.TOKEN_AUDIENCE,
        (OTHER_AUDIENCE, "/usual"): None,
        ("urn:example:own", "/own"): None,
        ("urn:example:own", "/usual"): Code.TOKEN_AUDIENCE,
    }


async def test_a_token_of_one_environment_is_nothing_in_the_other(shop: Shop) -> None:
    assert await shop.code(environment=EnvironmentName.PRODUCTION) is Code.INVALID_TOKEN


async def test_a_forged_token_is_refused(shop: Shop) -> None:
    head, body, signature = shop.token.split(".")
    for forged in (
        f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        f"{head}.{body[:-2]}AA.{signature}",
        f"{head}.{body}.",
        "x.y.z",
        "no token",
        "é",
        "a" * 10_000,
    ):
        assert await shop.gate.refusal(forged, shop.path()) in (Code.INVALID_TOKEN, Code.INVALID_HEADER)


async def test_a_token_that_the_fapi_issuers_key_signed_opens_nothing_here(shop: Shop) -> None:
    """The two issuers share no key: who could sign with the other's would be another issuer."""
    gate = shop.gate
    now = gate.stage.clock.now()
    signing = gate.issuers.signing(EnvironmentName.SANDBOX, IssuerKind.FAPI2, now=now)
    assert signing is not None
    assert signing.private is not None
    claims = Claims(
        iss=ISSUER,
        exp=int(now.timestamp()) + 60,
        aud=ORIGIN,
        sub="x",
        client_id=shop.issued.view.credential.client_id,
        iat=int(now.timestamp()),
        jti=secrets.token_hex(8),
        key_id=shop.id,
        secret_id=gate.catalog.get(shop.issued).secrets[0].id,
    )

    forged = access_token.issue(claims, signing.private, kid=signing.key.kid)

    assert await gate.refusal(forged, shop.path()) is Code.INVALID_TOKEN


async def test_a_token_of_a_retired_key_is_refused(shop: Shop) -> None:
    gate = shop.gate
    assert await shop.code() is None
    signing = gate.issuers.signing(EnvironmentName.SANDBOX, IssuerKind.COMPAT, now=gate.stage.clock.now())
    assert signing is not None

    await gate.operate(partial(token_keys.retire, reason="leaked"), signing.key.kid)

    assert await shop.code() is Code.INVALID_TOKEN


async def test_no_token_or_another_kind_of_proof_opens_no_such_service(shop: Shop) -> None:
    gate = shop.gate

    async def told(**changed: Any) -> tuple[int, Code, dict[str, str]]:
        refused = await gate.decide(calling("", shop.path(), **changed))
        assert isinstance(refused, Refused)
        return refused.status, refused.code, dict(refused.headers)

    assert await told() == (401, Code.TOKEN_MISSING, {"WWW-Authenticate": 'Bearer realm="api"'})
    assert (await told(authorization=("Bearer nothing",)))[:2] == (401, Code.INVALID_TOKEN)
    assert (await told(authorization=(f"Bearer {shop.token}",) * 2))[1] is Code.INVALID_HEADER
    assert (await told(authorization=(f"DPoP {shop.token}",)))[:2] == (401, Code.INVALID_TOKEN)
    assert (await told(certificate=b"whoever"))[1] is Code.TOKEN_MISSING
    assert (await told(authorization=("Basic YTpi",)))[0] in (400, 401)
    assert await shop.code(f"{shop.path()}?access_token=x") is Code.INVALID_HEADER


async def test_a_token_for_secrets_opens_no_service_of_another_kind(shop: Shop) -> None:
    gate = shop.gate
    for kind in (AuthenticationType.OAUTH10A, AuthenticationType.OAUTH2_FAPI, AuthenticationType.MTLS):
        places = (gate.stage.place(EnvironmentName.SANDBOX, path_prefix=f"/{kind.lower()}"),)
        await gate.operate(services.create, NewService(kind.title(), kind, "", places))

        assert await shop.code(f"/{kind.lower()}/x") is Code.PERMISSION_MISSING


# -------------------------------------------------------------------------------------------------------------- limits


async def test_a_limit_is_told_on_every_answer_and_kept_per_credential_and_service(gate: ApiGate) -> None:
    limited = entry(ScopeLevel.WORKSPACE, *PROFILES, calls_per_minute=4)
    first, second = await gate.offer(limited, path="/first"), await gate.offer(limited, path="/second")
    place = frozenset({gate.catalog.eu.id})
    grants = [ApiGrant(each.id, frozenset({"read"}), place) for each in (first, second)]
    issued, other = await gate.create(*grants), await gate.create(*grants)
    token = await gate.token(issued)
    path = f"/first/v1/workspaces/{gate.catalog.eu.id}/profiles/1"

    told = [(await gate.admitted(token, path)).headers for _ in range(4)]
    refused = await gate.call(token, path)

    assert [dict(each)["X-RateLimit-Used-Percent"] for each in told] == ["25", "50", "75", "100"]
    assert dict(told[0]) == {
        "X-RateLimit-Limit": "4",
        "X-RateLimit-Remaining": "3",
        "X-RateLimit-Used-Percent": "25",
    }
    assert isinstance(refused, Refused)
    assert (refused.code, refused.status) == (Code.RATE_LIMITED, 429)
    assert refused.description == "The limit of 4 calls a minute of one credential to First is reached."
    assert dict(refused.headers)["Retry-After"] == "15"
    assert await gate.refusal(token, path.replace("first", "second")) is None
    assert await gate.refusal(await gate.token(other), path) is None
    gate.monotonic += 15
    assert await gate.refusal(token, path) is None


async def test_a_refused_call_uses_nothing_of_the_limit(gate: ApiGate) -> None:
    service = await gate.offer(entry(ScopeLevel.WORKSPACE, *PROFILES, calls_per_minute=1), path="/one")
    issued = await gate.create(ApiGrant(service.id, frozenset({"read"}), frozenset({gate.catalog.eu.id})))
    token = await gate.token(issued)
    path = f"/one/v1/workspaces/{gate.catalog.eu.id}/profiles/1"

    assert await gate.refusal(token, path, "PUT") is Code.PERMISSION_MISSING
    assert gate.desk.screen(calling(token, path)) is None
    assert await gate.refusal(token, path) is None
    assert await gate.refusal(token, path) is Code.RATE_LIMITED


# -------------------------------------------------------------------------------------------------- what is left behind


async def test_a_refusal_is_explained_to_the_owner_step_by_step(shop: Shop) -> None:
    gate = shop.gate
    await gate.act(api_credentials.deactivate, shop.id)
    refused = await gate.call(shop.token, shop.path())
    assert isinstance(refused, Refused)
    assert "switched off" not in refused.description
    await gate.desk.refusals.flush()

    with reading(gate.stage.platform.database.traces) as connection:
        row = connection.execute(select(refusals).where(refusals.c.id == refused.id)).one()
    steps = {step["name"]: step for step in json.loads(row.explanation)["steps"]}
    assert list(steps)[:4] == ["header", "token", "credential", "address"]
    assert [steps[name]["ok"] for name in ("token", "credential", "address")] == [True, False, None]
    assert "switched off" in steps["credential"]["hint"]
    assert shop.token not in row.explanation

    catalog, stage = gate.catalog, gate.stage
    kept = traces.refusal(stage.platform, catalog.admin.actor, refused.id, now=stage.now)
    assert (kept.credential_id, kept.code) == (shop.id, "token_revoked")
    user = stage.member(catalog.organization, OrganizationRole.USER)
    with pytest.raises(Refusal):
        traces.refusal(stage.platform, user.actor, refused.id, now=stage.now)


async def test_calls_are_counted_as_calls_by_secret(shop: Shop) -> None:
    gate = shop.gate
    assert [await shop.code(), await shop.code(method="PUT")] == [None, Code.PERMISSION_MISSING]
    await gate.desk.usage.flush()

    with reading(gate.stage.platform.database.traces) as connection:
        rows = connection.execute(select(callers)).all()
    found = {(row.service_id, row.scheme): (row.admitted, row.refused, row.address) for row in rows}
    assert found[shop.service.id, "secret"] == (1, 0, HERE)
    assert found[0, "secret"] == (0, 1, HERE)


async def test_introspection_says_whether_a_token_is_good_now(shop: Shop) -> None:
    gate, clock = shop.gate, shop.gate.stage.clock.now
    good = await gate.verifier.good(EnvironmentName.SANDBOX, shop.token, clock=clock)
    assert good is not None
    assert good.key_id == shop.id

    await gate.act(api_credentials.deactivate, shop.id)

    assert await gate.verifier.good(EnvironmentName.SANDBOX, shop.token, clock=clock) is None
    assert await gate.verifier.good(EnvironmentName.PRODUCTION, shop.token, clock=clock) is None


async def test_an_admitted_call_is_admitted_by_any_spelling_of_its_scheme(shop: Shop) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        made = calling("", shop.path(), authorization=(f"{scheme} {shop.token}",))
        assert isinstance(await shop.gate.decide(made), Admitted)
