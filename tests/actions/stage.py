"""A platform on a real database, with people and projects on it and an eye on the audit log."""

import secrets
from collections.abc import Callable, Container
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, NamedTuple, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import Engine, Row, Select, Table, select
from tests.actions import snapshot
from tests.actions.snapshot import Snapshot
from tests.clock import Clock

from credenza.actions import (
    access_tokens,
    audit_log,
    authorities,
    oauth_keys,
    organizations,
    people,
    projects,
    services,
    start,
)
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.context import Passwords, Platform, Policy
from credenza.actions.issuing import NewKey
from credenza.actions.project_view import ProjectView
from credenza.actions.projects import NewProject
from credenza.actions.revocation import Revoked
from credenza.actions.services import NewService
from credenza.adapters.passwords import Argon2Passwords
from credenza.adapters.vault import LocalVault
from credenza.adapters.weak_keys import WeakKeys
from credenza.domain.access import Scope
from credenza.domain.audit import Flaw
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    ChangeNumber,
    Credential,
    EnvironmentName,
    Organization,
    OrganizationRole,
    ProjectType,
    Service,
    ServiceEnvironment,
    User,
)
from credenza.protocol import csr
from credenza.store import leases
from credenza.store.engine import Database, reading
from credenza.store.schema import audit_entries, certificates, records

OPERATOR = Actor(ActorKind.OPERATOR, "root")
SANDBOX, PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION
KEY_ENCRYPTION_KEY = bytes(range(32))
TABLES = tuple(records.sorted_tables)

KEPT = tuple(table for table in TABLES if not table.name.startswith("audit_"))
"""Without the audit log, which grows by what is refused."""

_TRACES = select(audit_entries).order_by(audit_entries.c.organization_id, audit_entries.c.sequence)
_ENDS = _TRACES.with_only_columns(
    *(audit_entries.c[name] for name in ("organization_id", "sequence", "action", "outcome", "code"))
)

# Most tables are empty.
_WHICH_HAVE_ROWS = "SELECT " + ", ".join(f'EXISTS (SELECT 1 FROM "{table.name}")' for table in TABLES)
FITTING = {
    ProjectType.OAUTH10A: AuthenticationType.OAUTH10A,
    ProjectType.OAUTH2_FAPI: AuthenticationType.OAUTH2_FAPI,
    ProjectType.MTLS: AuthenticationType.MTLS,
}

Answer = TypeVar("Answer")


class Person(NamedTuple):
    """A user, and the user as an actor: with an access token of every scope."""

    user: User
    actor: Actor


def new_platform(
    database: Database,
    *,
    now: datetime,
    policy: Policy | None = None,
    failpoint: Callable[[str], None] = lambda _name: None,
) -> Platform:
    return start.prepare(
        database,
        LocalVault(KEY_ENCRYPTION_KEY),
        WeakKeys(),
        Argon2Passwords(memory_kib=8),
        random=secrets.token_bytes,
        pki_url="http://127.0.0.1:8080/pki",
        public_url="http://127.0.0.1:8080",
        now=now,
        policy=policy,
        failpoint=failpoint,
    )


def issuing_authority(platform: Platform, environment: EnvironmentName) -> x509.Certificate:
    """The authority that signs for an environment now."""
    return x509.load_der_x509_certificate(authorities.certificate_of(platform, environment, authorities.Role.ISSUING))


def know_the_timeline(engine: Engine) -> None:
    """On a PostgreSQL that nobody has seen before the first revocation awaits one full lease; these tests do not."""
    leases.await_reach(engine, ChangeNumber(0), lease=timedelta(0))


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """Keys are slow to make and every credential needs one of its own: the same few serve every test."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def request(number: int) -> bytes:
    return csr.build(rsa_key(number), common_name=f"application {number}", organization="Acme")


@cache
def ec_request(number: int) -> bytes:
    """EC keys are fast to make: races take many."""
    return csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=f"application {number}")


@cache
def client_request(number: int) -> bytes:
    return csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=f"client {number}", organization="Acme")


@cache
def _all_of(table: Table) -> Select[Any]:
    """What it compiles to is looked up by the statement: it is the same one each time."""
    return select(table)


class Stage:
    """A platform with factories. `done`, `looked` and `refused` call an action and check what it left on record."""

    def __init__(self, platform: Platform, clock: Clock, numbers: tuple[int, int] = (0, 0)) -> None:
        """`numbers` are those that come next (`numbers()`), on a database that is not empty."""
        self.platform = platform
        self.clock = clock
        self._numbers, self._keys = map(count, numbers)

    def numbers(self) -> tuple[int, int]:
        """The next number of a name and of a key, which nothing gets any more."""
        return next(self._numbers), next(self._keys)

    def with_policy(self, **policy: Any) -> "Stage":
        self.platform = replace(self.platform, policy=replace(self.platform.policy, **policy))
        return self

    def with_passwords(self, passwords: Passwords) -> Platform:
        return replace(self.platform, passwords=passwords)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # -------------------------------------------------------------------------------------------- calling an action

    def done(self, action: str, call: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """See that the action left exactly one audit row, which says done."""
        before = self.traces()
        answer = call(self.platform, *arguments, now=self.now, **named)
        assert self.new_traces(before) == [(action, "done", "")]
        return answer

    def looked(self, call: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """See that nothing has changed, the audit log included."""
        before = self._snapshot(TABLES)
        answer = call(self.platform, *arguments, now=self.now, **named)
        assert self._snapshot(TABLES) == before
        return answer

    def refused(
        self,
        action: str,
        code: Code,
        call: Callable[..., Any],
        *arguments: Any,
        chain: str | None = None,
        abandons: bool = False,
        **named: Any,
    ) -> Refusal:
        """See that the action was refused, left exactly one audit row, which says so, and changed nothing else.

        `chain`: whose log the row must be in. `abandons`: it is refused after the signature and leaves a serial.
        """
        kept = tuple(table for table in KEPT if not (abandons and table is certificates))
        facts, before = self._snapshot(kept), self.traces()
        issued = set(self.rows(certificates)) if abandons else set()
        with pytest.raises(Refusal) as caught:
            call(self.platform, *arguments, now=self.now, **named)
        assert self.new_traces(before) == [(action, "refused", code)]
        assert chain is None or {place for place, _ in self.traces().keys() - before.keys()} == {chain}
        if abandons:
            assert {row.state for row in set(self.rows(certificates)) - issued} == {"ABANDONED"}
        assert self._snapshot(kept) == facts
        assert (caught.value.code, bool(caught.value.message)) == (code, True)
        return caught.value

    # ------------------------------------------------------------------------------------------ what is on record

    def traces(self) -> dict[tuple[str, int], Row[Any]]:
        """Every audit row by chain and place in it."""
        with reading(self.platform.database.records) as connection:
            return {(row.organization_id, row.sequence): row for row in connection.execute(_TRACES)}

    def new_traces(self, before: Container[tuple[str, int]]) -> list[tuple[str, str, str]]:
        with reading(self.platform.database.records) as connection:
            ends = connection.execute(_ENDS).all()
        return [(action, outcome, code) for *place, action, outcome, code in ends if tuple(place) not in before]

    def rows(self, table: Table) -> list[Row[Any]]:
        with reading(self.platform.database.records) as connection:
            return list(connection.execute(_all_of(table)))

    def dump(self) -> dict[str, set[Any]]:
        """Every row of every table."""
        with reading(self.platform.database.records) as connection:
            filled = zip(TABLES, connection.exec_driver_sql(_WHICH_HAVE_ROWS).one(), strict=True)
            return {table.name: set(connection.execute(_all_of(table))) if rows else set() for table, rows in filled}

    def _snapshot(self, tables: tuple[Table, ...]) -> Snapshot:
        return snapshot.rows_of(self.platform.database.records, tables)

    def facts(self) -> dict[str, set[Any]]:
        """Every row of every table but the audit log's."""
        return {name: rows for name, rows in self.dump().items() if not name.startswith("audit_")}

    def flaws(self) -> list[Flaw]:
        return [verdict.flaw for verdict in audit_log.verify(self.platform.database) if verdict.flaw is not None]

    # --------------------------------------------------------------------------------------------------- factories

    def organization(self, *, project_limit: int = 180) -> Organization:
        name = f"Organization {next(self._numbers)}"
        return organizations.create(self.platform, OPERATOR, name=name, project_limit=project_limit, now=self.now)

    def member(self, organization: Organization, role: OrganizationRole = OrganizationRole.ADMIN) -> Person:
        """A new user in an organization, asking with an access token of every scope."""
        email = f"user{next(self._numbers)}@example.org"
        user = people.create_user(self.platform, OPERATOR, email=email, name="Ann", now=self.now)
        people.set_member(self.platform, OPERATOR, organization.id, email=email, role=role, now=self.now)
        return Person(user, self.token(user, organization))

    def token(self, user: User, organization: Organization, *scopes: Scope) -> Actor:
        issued = access_tokens.create(
            self.platform,
            OPERATOR,
            organization.id,
            name="test",
            scopes=frozenset(scopes or Scope),
            days=366,
            owner=user.id,
            now=self.now,
        )
        return access_tokens.authenticate(self.platform, issued.secret, address="192.0.2.7", now=self.now)

    def place(self, environment: EnvironmentName = SANDBOX, **columns: Any) -> ServiceEnvironment:
        number = next(self._numbers)
        place = ServiceEnvironment(environment, f"/service-{number}", "http://127.0.0.1:9000", 13, None)
        return replace(place, **columns)

    def service(
        self,
        authentication: AuthenticationType = AuthenticationType.OAUTH10A,
        *environments: ServiceEnvironment,
    ) -> Service:
        places = environments or (self.place(SANDBOX), self.place(PRODUCTION))
        new = NewService(f"Service {next(self._numbers)}", authentication, "", places)
        return services.create(self.platform, OPERATOR, new, now=self.now)

    def new_key(self, alias: str = "billing") -> NewKey:
        """The next of the keys; none of them twice on one stage."""
        return NewKey(alias, request(next(self._keys)))

    def new_request(self, alias: str = "partner") -> NewRequest:
        """A request for a certificate, with a key and a subject of its own."""
        return NewRequest(alias, client_request(next(self._keys)))

    def new_project(self, project_type: ProjectType = ProjectType.OAUTH10A, **fields: Any) -> NewProject:
        named: dict[str, Any] = {
            "type": project_type,
            "name": f"Project {next(self._numbers)}",
            "region": "EUROPE",
            "environment": SANDBOX,
            **fields,
        }
        if "service_id" not in fields:
            named["service_id"] = self.service(FITTING[project_type]).id
        if "credential" not in fields:
            is_mtls = project_type is ProjectType.MTLS
            named["credential"] = self.new_request() if is_mtls else self.new_key()
        return NewProject(**named)

    def project(
        self, owner: Person, organization: Organization, project_type: ProjectType = ProjectType.OAUTH10A
    ) -> ProjectView:
        new = self.new_project(project_type)
        return projects.create(self.platform, owner.actor, organization.id, new, now=self.now)


class Shop:
    """An organization with a project of one key, and its owner."""

    def __init__(
        self, stage: Stage, project_type: ProjectType = ProjectType.OAUTH10A, *, project_limit: int = 180
    ) -> None:
        self.stage = stage
        self.organization = stage.organization(project_limit=project_limit)
        self.owner = stage.member(self.organization, OrganizationRole.USER)
        view = stage.project(self.owner, self.organization, project_type)
        self.project, (self.key,) = view.project, view.credentials

    def done(self, action: str, call: Callable[..., Answer], *rest: Any, **named: Any) -> Answer:
        """The owner does it to the project."""
        return self.stage.done(action, call, self.owner.actor, self.project.id, *rest, **named)

    def looked(self, call: Callable[..., Answer], *rest: Any, **named: Any) -> Answer:
        return self.stage.looked(call, self.owner.actor, self.project.id, *rest, **named)

    def refused(self, action: str, code: Code, call: Callable[..., Any], *rest: Any, **named: Any) -> Refusal:
        return self.stage.refused(action, code, call, self.owner.actor, self.project.id, *rest, **named)

    def add(self, environment: EnvironmentName | None = None) -> Credential:
        return self.done("key.add", oauth_keys.add_by_csr, self.stage.new_key(), environment)

    def add_production(self) -> Credential:
        """Add the other environment; the answer is its key."""
        new = projects.NewEnvironment(PRODUCTION, self.stage.new_key())
        view = self.done("environment.add", projects.add_environment, new)
        return next(key for key in view.credentials if key.environment is PRODUCTION)

    def revoke(self, key: Credential) -> Revoked:
        return self.done("key.revoke", oauth_keys.revoke, key.id, keep_last=False, reason="no longer used")

    def look(self, key: Credential) -> Credential:
        return self.looked(oauth_keys.get, key.id)
