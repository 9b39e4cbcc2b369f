"""What the demo begins with: an organization, a catalog, and keys in every state, made by the actions themselves.

Every fact is made at the time it would have been made, by giving the actions that time; nothing is written behind
their back. The partner's side (private keys) is written to files, as a partner would have them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credenza.actions import (
    access_tokens,
    account_keys,
    certificates,
    oauth_keys,
    organizations,
    people,
    project_members,
    projects,
    services,
    trusted_authorities,
)
from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.actions.context import Platform
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewEnvironment, NewProject
from credenza.actions.services import NewService
from credenza.actions.trusted_authorities import NewTrust
from credenza.cli import demo_tree
from credenza.domain.access import Scope
from credenza.domain.expiry import add_months
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    Credential,
    EnvironmentName,
    Organization,
    OrganizationId,
    OrganizationRole,
    Project,
    ProjectId,
    ProjectRole,
    ProjectType,
    Service,
    ServiceEnvironment,
    User,
)
from credenza.protocol import csr, issuance
from credenza.protocol.distinguished_name import to_name
from credenza.protocol.jose import PrivateKey

_DOMAIN = "acme.example"
ADMIN = f"ada@{_DOMAIN}"
"""Who the demo's link to the portal signs in."""

_OPERATOR = Actor(ActorKind.OPERATOR, "demo")
_DAY = timedelta(days=1)
_PAYMENTS = "Payments"
SCOPES = frozenset({"payments:read", "payments:write"})
"""What a token for Payments may be narrowed to."""
_SANDBOX, _PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION


@dataclass(frozen=True, slots=True)
class PartnerKey:
    """A key as the partner holds it."""

    name: str
    consumer_key: str
    path: Path


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demo prints and what its callers call with."""

    organization: Organization
    owner: Actor
    payments: Service
    token: str
    project: Project
    account_key: PartnerKey
    keys: dict[str, PartnerKey]


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where the seeding happens."""

    platform: Platform
    directory: Path
    now: datetime

    def key(self, name: str) -> tuple[rsa.RSAPrivateKey, NewKey]:
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        request = csr.build(private_key, common_name=name, organization="Acme Payments")
        return private_key, NewKey(name, request)

    def ec_key(self, name: str) -> tuple[ec.EllipticCurvePrivateKey, NewKey]:
        private_key = ec.generate_private_key(ec.SECP256R1())
        return private_key, NewKey(name, csr.build(private_key, common_name=name, organization="Acme Payments"))

    def keep(self, private_key: PrivateKey, credential: Credential) -> PartnerKey:
        """Write the partner's files: the private key and its certificate."""
        path = self.directory / f"{credential.alias}.pem"
        pkcs8 = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = x509.load_der_x509_certificate(credential.certificate_der).public_bytes(Encoding.PEM)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pkcs8 + certificate)
        return PartnerKey(credential.alias, credential.consumer_key, path)


def seed(platform: Platform, directory: Path, *, upstream: str, now: datetime) -> Seeded:
    """Fill an empty installation. `directory` receives the partner's private keys, mode 0600."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    desk = _Desk(platform, directory, now)
    organization, ada = _people(desk)
    catalog = _catalog(desk, upstream)
    owner = Actor(ActorKind.SESSION, "demo", ada.id, organization.id)
    checkout, keys = _checkout(desk, owner, organization.id, catalog)
    keys |= _billing(desk, owner, organization.id, catalog)
    issued = access_tokens.create(
        platform, owner, organization.id, name="demo", scopes=frozenset(Scope), days=30, now=now
    )
    private_key, new = desk.key("account-key")
    account_key = desk.keep(private_key, account_keys.add(platform, owner, organization.id, new, now=now))
    return Seeded(organization, owner, catalog[_PAYMENTS], issued.secret, checkout, account_key, keys)


def _people(desk: _Desk) -> tuple[Organization, User]:
    now = add_months(desk.now, -14)
    organization = organizations.create(desk.platform, _OPERATOR, name="Acme Payments", now=now)
    demo_tree.seed(desk.platform, _OPERATOR, organization.id, now=now)
    made = {
        role: people.create_user(desk.platform, _OPERATOR, email=f"{name.lower()}@{_DOMAIN}", name=name, now=now)
        for name, role in {
            "Ada": OrganizationRole.ADMIN,
            "Grace": OrganizationRole.USER,
            "Linus": OrganizationRole.READ_ONLY,
            "Margaret": OrganizationRole.COMPLIANCE_ADMIN,
        }.items()
    }
    for role, user in made.items():
        people.set_member(desk.platform, _OPERATOR, organization.id, email=user.email, role=role, now=now)
    return organization, made[OrganizationRole.ADMIN]


def _catalog(desk: _Desk, upstream: str) -> dict[str, Service]:
    now = add_months(desk.now, -14)
    offers = {
        _PAYMENTS: (AuthenticationType.DUAL_OAUTH, "/payments", "Create, capture and refund payments.", None),
        "Locations": (AuthenticationType.OAUTH10A, "/locations", "Find merchants and cash machines.", 30),
        "Reports": (AuthenticationType.OAUTH10A, "/reports", "Settlement files.", None),
    }
    return {
        name: services.create(
            desk.platform,
            _OPERATOR,
            NewService(
                name,
                authentication,
                description,
                (
                    ServiceEnvironment(_SANDBOX, prefix, upstream, 13, sandbox_days),
                    ServiceEnvironment(_PRODUCTION, prefix, upstream, 13, None),
                ),
                SCOPES if name == _PAYMENTS else frozenset(),
            ),
            now=now,
        )
        for name, (authentication, prefix, description, sandbox_days) in offers.items()
    }


def _checkout(
    desk: _Desk, owner: Actor, organization_id: OrganizationId, catalog: dict[str, Service]
) -> tuple[Project, dict[str, PartnerKey]]:
    """A project in good order: both environments, one key being rotated, one revoked."""
    then = add_months(desk.now, -12)
    first, new = desk.key("checkout-sandbox")
    request = NewProject(ProjectType.OAUTH10A, "Checkout", "EUROPE", catalog[_PAYMENTS].id, _SANDBOX, new)
    view = projects.create(desk.platform, owner, organization_id, request, now=then)
    keys = {"checkout-sandbox": desk.keep(first, view.credentials[0])}
    project_id = view.project.id

    leaked, new = desk.key("checkout-laptop")
    lost = oauth_keys.add_by_csr(desk.platform, owner, project_id, new, _SANDBOX, now=add_months(desk.now, -3))
    keys["checkout-laptop"] = desk.keep(leaked, lost)
    oauth_keys.revoke(
        desk.platform, owner, project_id, lost.id, keep_last=True, reason="laptop stolen", now=desk.now - _DAY
    )

    old, new = desk.key("checkout-2025")
    created = desk.now - timedelta(days=383)  # 13 months less 12 days, give or take
    view = projects.add_environment(desk.platform, owner, project_id, NewEnvironment(_PRODUCTION, new), now=created)
    old_key = next(each for each in view.credentials if each.alias == "checkout-2025")
    keys["checkout-2025"] = desk.keep(old, old_key)
    successor, new = desk.key("checkout-2026")
    made = oauth_keys.rotate(desk.platform, owner, project_id, old_key.id, new, now=desk.now - _DAY)
    keys["checkout-2026"] = desk.keep(successor, made)
    _team(desk, owner, project_id)
    return view.project, keys


def _billing(
    desk: _Desk, owner: Actor, organization_id: OrganizationId, catalog: dict[str, Service]
) -> dict[str, PartnerKey]:
    """A neglected project: an expired key, one that nobody has used for 120 days, one about to end."""
    keys = {}
    expired, new = desk.key("billing-expired")
    request = NewProject(ProjectType.OAUTH10A, "Billing", "EUROPE", catalog["Reports"].id, _SANDBOX, new)
    view = projects.create(
        desk.platform, owner, organization_id, request, now=add_months(desk.now, -13) - timedelta(days=2)
    )
    keys["billing-expired"] = desk.keep(expired, view.credentials[0])
    for name, age in {"billing-unused": timedelta(days=120), "billing-expiring": timedelta(days=340)}.items():
        private_key, new = desk.key(name)
        made = oauth_keys.add_by_csr(desk.platform, owner, view.project.id, new, _SANDBOX, now=desk.now - age)
        keys[name] = desk.keep(private_key, made)
    return keys


def add_ledger(platform: Platform, directory: Path, seeded: Seeded, *, now: datetime) -> Seeded:
    """Add a project that begins with OAuth 2.0, so its key may be an EC key."""
    desk = _Desk(platform, directory, now)
    private_key, new = desk.ec_key("ledger-sandbox")
    request = NewProject(ProjectType.OAUTH2_FAPI, "Ledger", "EUROPE", seeded.payments.id, _SANDBOX, new)
    view = projects.create(platform, seeded.owner, seeded.organization.id, request, now=add_months(now, -2))
    ledger = {"ledger-sandbox": desk.keep(private_key, view.credentials[0])}
    return replace(seeded, keys=seeded.keys | ledger)


def add_terminals(platform: Platform, directory: Path, seeded: Seeded, *, upstream: str, now: datetime) -> Seeded:
    """Add a project whose programs prove themselves in TLS, and the API that takes their certificates."""
    desk = _Desk(platform, directory, now)
    places = tuple(ServiceEnvironment(each, "/terminals", upstream, 13, None) for each in EnvironmentName)
    new = NewService("Terminals", AuthenticationType.MTLS, "What tills in shops report and ask for.", places)
    terminals = services.create(platform, _OPERATOR, new, now=add_months(now, -14))
    keys = _terminals(desk, seeded.owner, seeded.organization.id, terminals)
    return replace(seeded, keys=seeded.keys | keys)


def _terminals(desk: _Desk, owner: Actor, organization_id: OrganizationId, terminals: Service) -> dict[str, PartnerKey]:
    """A project with certificates in every state: one about to end, its successor, a stolen one, one of the maker's."""
    old, asked = desk.ec_key("terminal-2025")
    then = desk.now - timedelta(days=383)  # 13 months less 12 days, give or take
    first = NewRequest(asked.alias, asked.csr)
    request = NewProject(ProjectType.MTLS, "Shops", "EUROPE", terminals.id, _SANDBOX, first)
    view = projects.create(desk.platform, owner, organization_id, request, now=then)
    project_id, old_held = view.project.id, view.credentials[0]
    keys = {"terminal-2025": desk.keep(old, old_held)}
    ages = {"terminal-sandbox": timedelta(days=60), "terminal-stolen": timedelta(days=200)}
    for name, age in ages.items():
        private_key, asked = desk.ec_key(name)
        after = old_held.id if name == "terminal-sandbox" else None
        new = NewRequest(asked.alias, asked.csr, after)
        held = certificates.add_by_csr(desk.platform, owner, project_id, new, _SANDBOX, now=desk.now - age)
        keys[name] = desk.keep(private_key, held)
        if name == "terminal-stolen":
            certificates.revoke(
                desk.platform, owner, project_id, held.id, keep_last=True, reason="till stolen", now=desk.now - _DAY
            )
    _bring(desk, owner, project_id)
    return keys


def _bring(desk: _Desk, owner: Actor, project_id: ProjectId) -> None:
    """Trust the maker of the tills, and bring a certificate of theirs."""
    maker, till = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    period = issuance.validity(desk.now - _DAY, ends_at=add_months(desk.now, 24))
    root = issuance.make_root(
        maker,
        subject=to_name((("O", "Till Makers"), ("CN", "Till Makers Root CA"))),
        public_key=maker.public_key(),
        serial_number=_serial(desk),
        validity=period,
    )
    leaf = issuance.make_leaf(
        maker,
        root,
        profile=issuance.CLIENT_LEAF,
        subject=to_name((("O", "Till Makers"), ("CN", f"till-{int(desk.now.timestamp())}"))),
        public_key=till.public_key(),
        serial_number=_serial(desk),
        validity=period,
    )
    trust = NewTrust(_SANDBOX, "Till Makers Root CA", root.public_bytes(Encoding.PEM))
    trusted_authorities.add(desk.platform, _OPERATOR, trust, now=desk.now)
    new = NewCertificate("till-of-the-maker", leaf.public_bytes(Encoding.PEM))
    certificates.add_issued_elsewhere(desk.platform, owner, project_id, new, _SANDBOX, now=desk.now)


def _serial(desk: _Desk) -> int:
    return issuance.serial_from(desk.platform.random(issuance.SERIAL_RANDOM_BYTES))


def _team(desk: _Desk, owner: Actor, project_id: ProjectId) -> None:
    for name, role in {"grace": ProjectRole.ADMIN, "linus": ProjectRole.READ_ONLY}.items():
        project_members.set_role(
            desk.platform, owner, project_id, email=f"{name}@{_DOMAIN}", role=role, now=desk.now - _DAY
        )
