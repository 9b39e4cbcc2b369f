"""The gate's questions get the same answers from both databases, each with the number it is true at."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.clock import NOON
from tests.store.gate_connection import GateConnection
from tests.store.rows import PRODUCTION, SANDBOX, Rows, public_key_der, uuid

from credenza.domain.catalog import CatalogEntry, RouteRule, ScopeLevel
from credenza.domain.model import (
    PLATFORM,
    AuthenticationType,
    ChangeNumber,
    CredentialKind,
    EnvironmentName,
    ProjectType,
    Status,
)
from credenza.protocol.tls_client_name import NameKind, TlsClientName
from credenza.store import changes, lookup, schema
from credenza.store.changes import Change, ChangeKind
from credenza.store.engine import Database, writing
from credenza.store.lookup import (
    KeyRecord,
    KeySnapshot,
    News,
    Route,
    RouteSnapshot,
    TrustedCertificate,
    TrustSnapshot,
)


class Questions(GateConnection):
    """Puts the questions as a gate does, over a connection of its own."""

    def key(self, key_id: str) -> KeySnapshot:
        if self._embedded:
            return self._sqlite.key(key_id)
        return lookup.key_snapshot(self._rows(lookup.KEY.format(key_id="%s"), key_id))

    def certificate(self, sha256_hex: str) -> KeySnapshot:
        if self._embedded:
            return self._sqlite.certificate(sha256_hex)
        return lookup.key_snapshot(self._rows(lookup.CERTIFICATE.format(sha256="%s"), sha256_hex))

    def trust(self) -> TrustSnapshot:
        return self._sqlite.trust() if self._embedded else lookup.trust_snapshot(self._rows(lookup.TRUST))

    def routes(self) -> RouteSnapshot:
        return self._sqlite.routes() if self._embedded else lookup.route_snapshot(self._rows(lookup.ROUTES))

    def changes_since(self, applied: int) -> News:
        if self._embedded:
            return self._sqlite.changes_since(ChangeNumber(applied))
        return lookup.news(self._rows(lookup.CHANGES.format(applied="%s"), applied))


@pytest.fixture
def ask(database: Database) -> Iterator[Questions]:
    questions = Questions(database)
    yield questions
    questions.close()


@pytest.fixture
def rows(database: Database) -> Rows:
    return Rows(database)


def record_of(ask: Questions, key_id: str) -> KeyRecord:
    record = ask.key(key_id).record
    assert record is not None
    return record


def test_a_signing_key_comes_with_its_project_and_what_it_may_call(ask: Questions, rows: Rows) -> None:
    organization = rows.organization()
    owner = rows.member(organization)
    project = rows.project(organization, name="Checkout", owner_id=owner, ambiguous_readings=True)
    client_id = rows.environment(organization, project)
    rows.environment(organization, project, PRODUCTION)
    allowed, asked_for, elsewhere = rows.service(), rows.service(), rows.service()
    rows.entitle(organization, project, allowed)
    rows.entitle(organization, project, asked_for, status="PENDING_APPROVAL")
    rows.entitle(organization, project, elsewhere, environment=PRODUCTION)
    key_id = rows.credential(organization, project_id=project, client_id=client_id, owner_id=owner, alias="till 7")

    assert ask.key(key_id) == KeySnapshot(
        ChangeNumber(0),
        KeyRecord(
            key_id=key_id,
            client_id=client_id,
            kind=CredentialKind.SIGNING_KEY,
            organization_id=organization,
            project_id=project,
            project_name="Checkout",
            owner_id=owner,
            environment=SANDBOX,
            alias="till 7",
            status=Status.ACTIVE,
            not_before=NOON,
            not_after=NOON + timedelta(days=395),
            project_type=ProjectType.OAUTH10A,
            dual=False,
            ambiguous_readings=True,
            project_deleted=False,
            owner_gone=False,
            services=frozenset({allowed}),
        ),
        public_key_der(),
    )


def test_a_key_may_call_several_services(ask: Questions, rows: Rows) -> None:
    organization = rows.organization()
    project = rows.project(organization)
    client_id = rows.environment(organization, project)
    several = [rows.service() for _ in range(3)]
    for service in several:
        rows.entitle(organization, project, service)
    key_id = rows.credential(organization, project_id=project, client_id=client_id)

    assert record_of(ask, key_id).services == set(several)


def test_the_owner_of_an_account_key_may_be_disabled_or_have_left(ask: Questions, rows: Rows) -> None:
    columns = {"kind": CredentialKind.ACCOUNT_KEY, "environment": None}
    organization = rows.organization()
    active = rows.credential(organization, owner_id=rows.member(organization), **columns)
    of_disabled = rows.credential(organization, owner_id=rows.member(organization, disabled_at=NOON), **columns)
    of_leaver = rows.credential(organization, owner_id=rows.user(), **columns)

    record = record_of(ask, active)

    assert (record.kind, record.project_id, record.environment) == (CredentialKind.ACCOUNT_KEY, None, None)
    assert [record_of(ask, each).owner_gone for each in (active, of_disabled, of_leaver)] == [False, True, True]


def test_a_key_of_a_deleted_project_says_so(ask: Questions, rows: Rows) -> None:
    organization = rows.organization()
    project = rows.project(organization, deleted_at=NOON)
    rows.environment(organization, project)

    assert record_of(ask, rows.credential(organization, project_id=project)).project_deleted


def test_a_revoked_key_is_found_as_revoked(ask: Questions, rows: Rows) -> None:
    key_id = rows.signing_key(status="REVOKED", revoked_at=NOON)

    assert record_of(ask, key_id).status is Status.REVOKED


@pytest.mark.parametrize("key_id", ["", "0" * 48, "'; DROP TABLE credentials; --"])
def test_nobodys_key_is_not_found(ask: Questions, key_id: str) -> None:
    assert ask.key(key_id) == KeySnapshot(ChangeNumber(0), None, b"")


def test_a_credential_that_signs_no_calls_is_not_found(ask: Questions, rows: Rows) -> None:
    key_id = rows.signing_key(kind=CredentialKind.REQUEST_SIGNATURE)

    assert ask.key(key_id).record is None


# ---------------------------------------------------------------------------------------------------- certificates


def held(rows: Rows, **columns: Any) -> tuple[str, str]:
    """A certificate on record: its credential and its thumbprint."""
    der = uuid().encode()
    credential_id = rows.signing_key(kind=CredentialKind.MTLS_CERTIFICATE, certificate_der=der, **columns)
    return credential_id, schema.thumbprint(der) or ""


def trusted(rows: Rows, **columns: Any) -> str:
    identity = uuid()
    row = {"id": identity, "certificate_sha256": identity, "is_anchor": True, "certificate_der": b"theirs", **columns}
    rows.insert(
        schema.trusted_authorities,
        organization_id=PLATFORM,
        **{
            "environment": SANDBOX,
            "name": "Others",
            "checks_revocation": False,
            "crl_url": "",
            "created_at": NOON,
            **row,
        },
    )
    return identity


def authority(rows: Rows, **columns: Any) -> None:
    row = {"environment": SANDBOX, "role": "ROOT", "certificate_der": b"ours", "signs_from": NOON, **columns}
    rows.insert(
        schema.authorities, organization_id=PLATFORM, id=uuid(), wrapped_private_key=b"", created_at=NOON, **row
    )


def test_a_certificate_is_found_by_its_thumbprint(ask: Questions, rows: Rows) -> None:
    credential_id, sha256 = held(rows)
    held(rows)

    record = ask.certificate(sha256).record

    assert record is not None
    assert (record.key_id, record.kind) == (credential_id, CredentialKind.MTLS_CERTIFICATE)
    assert (record.certificate_sha256, record.trusted) == (sha256, True)


def test_a_certificate_of_an_authority_that_is_disabled_is_not_trusted(ask: Questions, rows: Rows) -> None:
    found = [
        ask.certificate(held(rows, trusted_authority_id=trusted(rows, disabled_at=disabled_at))[1]).record
        for disabled_at in (None, NOON)
    ]

    assert [each is not None and each.trusted for each in found] == [True, False]


def test_a_certificate_may_call_what_its_project_may(ask: Questions, rows: Rows) -> None:
    organization = rows.organization()
    project = rows.project(organization, type="MTLS")
    client_id = rows.environment(organization, project)
    several = [rows.service() for _ in range(2)]
    for service in several:
        rows.entitle(organization, project, service)
    rows.credential(
        organization,
        project_id=project,
        client_id=client_id,
        kind=CredentialKind.MTLS_CERTIFICATE,
        certificate_der=b"certificate",
    )

    record = ask.certificate(schema.thumbprint(b"certificate") or "").record

    assert record is not None
    assert record.services == set(several)


@pytest.mark.parametrize("environment", [SANDBOX, PRODUCTION])
def test_a_certificate_comes_with_the_name_that_its_project_is_known_by_there(
    ask: Questions, rows: Rows, environment: EnvironmentName
) -> None:
    organization = rows.organization()
    project = rows.project(organization, type="OAUTH2_FAPI")
    client_id = rows.environment(organization, project)
    rows.environment(organization, project, PRODUCTION)
    row = {"project_id": project, "environment": environment, "kind": "san_dns", "value": "till7.example"}
    rows.insert(schema.tls_client_names, organization_id=organization, **row)
    mtls = {"kind": CredentialKind.MTLS_CERTIFICATE, "certificate_der": b"certificate"}
    rows.credential(organization, project_id=project, client_id=client_id, **mtls)

    record = ask.certificate(schema.thumbprint(b"certificate") or "").record

    here = TlsClientName(NameKind.SAN_DNS, "till7.example") if environment is SANDBOX else None
    assert record is not None
    assert record.tls_client_name == here


@pytest.mark.parametrize("sha256", ["", "0" * 64, "'; DROP TABLE credentials; --"])
def test_nobodys_certificate_is_not_found(ask: Questions, sha256: str) -> None:
    assert ask.certificate(sha256) == KeySnapshot(ChangeNumber(0), None, b"")


def test_a_certificate_is_not_found_as_a_key_nor_a_key_as_a_certificate(ask: Questions, rows: Rows) -> None:
    credential_id, _ = held(rows)
    rows.signing_key(certificate_der=b"of a key")

    assert ask.key(credential_id).record is None
    assert ask.certificate(schema.thumbprint(b"of a key") or "").record is None


def test_trusted_are_our_own_authorities_and_those_that_are_enabled(ask: Questions, rows: Rows) -> None:
    authority(rows)
    authority(rows, environment=PRODUCTION, certificate_der=b"retired", retired_at=NOON)
    trusted(rows)
    trusted(rows, is_anchor=False, certificate_der=b"between")
    trusted(rows, disabled_at=NOON, certificate_der=b"disabled")

    assert set(ask.trust().certificates) == {
        TrustedCertificate(SANDBOX, b"ours", True),
        TrustedCertificate(PRODUCTION, b"retired", True),
        TrustedCertificate(SANDBOX, b"theirs", True),
        TrustedCertificate(SANDBOX, b"between", False),
    }


def test_without_authorities_nobody_is_trusted(ask: Questions) -> None:
    assert ask.trust() == TrustSnapshot(ChangeNumber(0), ())


# ---------------------------------------------------------------------------------------------------------- routes


def test_routes_are_those_of_live_services(ask: Questions, rows: Rows) -> None:
    live = rows.service(name="Locations", authentication="DUAL_OAUTH")
    rows.route(live, "/locations")
    rows.route(live, "/places", PRODUCTION)
    rows.route(rows.service(status="RETIRED"), "/old")
    rows.service(name="Reached nowhere yet")
    route = Route(
        environment=SANDBOX,
        service_id=live,
        service_name="Locations",
        authentication=AuthenticationType.DUAL_OAUTH,
        path_prefix="/locations",
        upstream="http://127.0.0.1:9000/locations",
    )
    in_production = replace(
        route, environment=PRODUCTION, path_prefix="/places", upstream="http://127.0.0.1:9000/places"
    )

    assert set(ask.routes().routes) == {route, in_production}


def test_a_route_comes_with_the_scopes_of_its_service(ask: Questions, rows: Rows) -> None:
    service = rows.service()
    rows.route(service, "/payments")
    rows.route(service, "/payments", PRODUCTION)
    for scope in ("payments:read", "payments:write"):
        rows.insert(schema.service_scopes, organization_id=PLATFORM, scope=scope, service_id=service)

    found = {route.environment: route.scopes for route in ask.routes().routes}

    assert found == dict.fromkeys((SANDBOX, PRODUCTION), frozenset({"payments:read", "payments:write"}))


def test_no_services_are_no_routes(ask: Questions) -> None:
    assert ask.routes() == RouteSnapshot(ChangeNumber(0), ())


def test_every_answer_says_which_number_it_is_true_at(ask: Questions, rows: Rows, database: Database) -> None:
    key_id = rows.signing_key()
    with writing(database.records) as connection:
        number = changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, key_id)
        connection.execute(update(schema.credentials).values(status="INACTIVE"))

    snapshot = ask.key(key_id)

    assert snapshot.record is not None
    assert (snapshot.number, snapshot.record.status) == (number, Status.INACTIVE)
    assert ask.routes().number == ask.changes_since(0).number == ask.key("nobody's").number == number


def test_news_are_the_changes_after_a_number(ask: Questions, database: Database) -> None:
    with writing(database.records) as connection:
        for subject in "abc":
            changes.record(connection, PLATFORM, ChangeKind.PROJECT, subject)

    some, none = ask.changes_since(1), ask.changes_since(3)

    assert some.changes == (
        Change(ChangeNumber(2), ChangeKind.PROJECT, "b"),
        Change(ChangeNumber(3), ChangeKind.PROJECT, "c"),
    )
    assert (none.number, none.changes) == (3, ())
    assert some.follows(ChangeNumber(1))
    assert none.follows(ChangeNumber(3))


def test_news_with_a_gap_do_not_follow(ask: Questions, database: Database) -> None:
    """A gate that is too far behind, or ahead of a restored database, must begin anew."""
    with writing(database.records) as connection:
        changes.record(connection, PLATFORM, ChangeKind.PROJECT, "a")

    assert not News(ChangeNumber(9), ask.changes_since(0).changes).follows(ChangeNumber(0))
    assert not ask.changes_since(7).follows(ChangeNumber(7))


def test_a_route_comes_with_the_catalog_entry_of_its_service(ask: Questions, rows: Rows) -> None:
    service = rows.service(
        authentication="CLIENT_SECRET",
        scope_level="WORKSPACE",
        audience="https://api.example",
        calls_per_minute=60,
        admits_unmapped=True,
    )
    rows.route(service, "/profiles")
    rows.route(service, "/profiles", PRODUCTION)
    for scope in ("profiles:read", "profiles:write"):
        rows.insert(schema.service_scopes, organization_id=PLATFORM, scope=scope, service_id=service)
    named = {"organization_id": PLATFORM, "service_id": service}
    rows.insert(schema.service_permissions, **named, name="read", position=0, description="")
    later = {"method": "GET", "path": "/v1/{workspace}/{id}", "workspace_variable": "workspace", "position": 11}
    for rule in (later, {"method": "GET", "path": "/v1", "position": 2}):
        rows.insert(schema.service_routes, **named, permission="read", **rule)

    found = {route.environment: route.entry for route in ask.routes().routes}

    entry = CatalogEntry(
        scope_level=ScopeLevel.WORKSPACE,
        audience="https://api.example",
        calls_per_minute=60,
        admits_unmapped=True,
        routes=(
            RouteRule("GET", "/v1", "read"),
            RouteRule("GET", "/v1/{workspace}/{id}", "read", None, "workspace"),
        ),
    )
    assert found == dict.fromkeys((SANDBOX, PRODUCTION), entry)
