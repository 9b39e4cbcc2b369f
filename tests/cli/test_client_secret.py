"""`credenza token get` and `credenza call` with a client secret, and `credenza debug` of what was refused, against a
real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_credential import Desk, Ran, Served
from tests.forked import ForkedServer
from tests.gate.street import Upstream, served
from tests.installation import furnish, now, settings

from credenza.actions import accounts, services, workspaces
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.model import AuthenticationType, EnvironmentName, ServiceEnvironment

ROUTES = (
    RouteRule("GET", "/v1/workspaces/{workspace}/profiles", "read", workspace_variable="workspace"),
    RouteRule("PUT", "/v1/workspaces/{workspace}/profiles", "write", workspace_variable="workspace"),
)
PROFILES = CatalogEntry(ScopeLevel.WORKSPACE, permissions=(Permission("read"), Permission("write")), routes=ROUTES)


_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Shop:
    """The desk of somebody who may make API credentials, the gate, and a workspace."""

    desk: Desk
    origin: str
    profiles: str

    def credential(self, name: str) -> list[str]:
        """Make one that reads profiles in a workspace; its secret is in the file `name`. Options that call with it."""
        reads = ("--api", "profile:read", "--scope", "workspace:Web-EU", "--env", "sandbox")
        made = self.desk.done("credential", "create", name, *reads, "--file", name)
        return ["--client-id", made["clientId"], "--client-secret-file", name]

    def secret(self, name: str) -> str:
        return (self.desk.directory / name).read_text().strip()


@dataclass(frozen=True, slots=True)
class Street:
    served: Served
    origin: str
    workspace: str


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    chosen = settings(tmp_path_factory.mktemp("secrets"))
    with served(Upstream()) as port, ForkedServer(chosen) as server, furnish(chosen) as made:
        organization = (made.platform, made.actor, made.organization_id)
        account = accounts.create(*organization, name="Web", now=now())
        eu = workspaces.create(*organization, account_id=account.id, name="Web-EU", now=now())
        place = ServiceEnvironment(EnvironmentName.SANDBOX, "/profile", f"http://127.0.0.1:{port}", 13, None)
        new = NewService("Profile API", AuthenticationType.CLIENT_SECRET, "", (place,), entry=PROFILES)
        services.create(made.platform, local.OPERATOR, new, now=now())
        yield Street(Served(server.manage_origin, made.token), server.origin, eu.id)


@pytest.fixture
def shop(street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shop:
    desk = Desk(tmp_path, street.served, monkeypatch, capsys)
    for name in ("CREDENZA_CLIENT_ID", "CREDENZA_CLIENT_SECRET", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Shop(desk, street.origin, f"{street.origin}/profile/v1/workspaces/{street.workspace}/profiles")


def called(shop: Shop, *options: str, method: str = "GET") -> Any:
    ran = shop.desk.run("call", method, shop.profiles, "--auth", "secret", *options, "-o", "json")
    return json.loads(ran.out)["status"], ran


def test_a_token_is_fetched_from_the_issuer_of_secrets_at_the_origin(shop: Shop) -> None:
    by = shop.credential("fetches")

    told = shop.desk.done("token", "get", "--issuer", shop.origin, *by)
    of_issuer = shop.desk.run("token", "get", "--issuer", f"{shop.origin}/sso", "--audience", shop.origin, *by)

    assert told["tokenType"] == "Bearer"
    assert (of_issuer.code, of_issuer.out.count(".")) == (0, 2)
    assert shop.secret("fetches") not in of_issuer.out + of_issuer.err


def test_a_call_with_a_secret_reaches_the_api_and_its_curl_command_tells_no_secret(shop: Shop) -> None:
    status, ran = called(shop, *shop.credential("calls"), "-v")

    assert (status, ran.code) == (200, 0)
    assert ran.err.startswith(f"curl -X GET {shop.profiles} ")
    assert "authorization: Bearer " in ran.err
    assert len(ran.err.splitlines()) == 1
    assert shop.secret("calls") not in ran.out + ran.err


def test_id_and_secret_may_come_by_variables(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    _, client_id, *_ = shop.credential("varies")
    monkeypatch.setenv("CREDENZA_CLIENT_ID", client_id)
    monkeypatch.setenv("CREDENZA_CLIENT_SECRET", shop.secret("varies"))

    assert called(shop)[0] == 200
    assert shop.desk.run("token", "get", "--issuer", shop.origin).code == 0


def test_id_and_secret_may_come_from_the_profile(shop: Shop) -> None:
    _, client_id, *_ = shop.credential("kept")
    chosen = {"client_id": client_id, "client_secret_file": "kept", "auth": "secret", "issuer": shop.origin}
    for name, value in chosen.items():
        assert shop.desk.run("config", "set", name, value).code == 0

    assert shop.desk.run("call", "GET", shop.profiles).code == 0
    assert shop.desk.run("token", "get").code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--client-secret-file", "kept"], "Which API credential calls?"),
        (["--client-id", "c" * 48], "Which secret?"),
        (["--client-id", "c" * 48, "--client-secret-file", "other"], "The first line of other is no client secret"),
        (["--client-id", "c" * 48, "--client-secret-file", "other", "--scope", "read"], "--scope narrows tokens"),
    ],
)
def test_what_is_missing_or_wrong_is_said_before_anything_is_sent(shop: Shop, options: list[str], said: str) -> None:
    shop.desk.write("other", b"correct horse battery staple\n")

    for command in (["call", "GET", shop.profiles, "--auth", "secret"], ["token", "get", "--issuer", shop.origin]):
        ran = shop.desk.run(*command, *options)
        assert ran.code != 0
        assert said in ran.err
        assert "horse" not in ran.out + ran.err


def test_a_certificate_and_a_secret_are_not_mixed(shop: Shop) -> None:
    ran = shop.desk.run("token", "get", "--issuer", shop.origin, *shop.credential("mixes"), "--cert", "cert.pem")

    assert ran.code == 2
    assert "not both" in ran.err


def explanation(shop: Shop) -> Ran:
    """What the owner is told, once the gate has written the refusal down: every few seconds."""
    deadline = time.monotonic() + _PATIENCE_S
    while (said := shop.desk.run("debug", "oauth2", "--last")).code != 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    return said


def test_a_refused_call_is_explained_to_the_owner_of_the_credential(shop: Shop) -> None:
    status, ran = called(shop, *shop.credential("narrow"), method="PUT")
    assert (status, ran.code) == (403, 1)
    assert "Refused: PERMISSION_MISSING" in ran.err
    assert "Why: credenza debug oauth2 " in ran.err

    explained = explanation(shop)

    assert explained.code == 0, explained
    assert "permission_missing" in explained.out
    assert "write" in explained.out


def test_a_token_that_is_not_given_is_explained_to_the_owner_of_the_credential(shop: Shop) -> None:
    by = shop.credential("off")
    assert shop.desk.run("credential", "deactivate", "off", "--yes").code == 0

    ran = shop.desk.run("token", "get", "--issuer", shop.origin, *by)
    explained = explanation(shop)

    assert (ran.code, explained.code) == (4, 0), (ran, explained)
    assert "invalid_client" in ran.err
    assert "switched off" in explained.out
