"""Service credentials: who owns which half, one active at a time, swaps, and what is not revoked."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from tests import pki_linters
from tests.actions.stage import (
    OPERATOR,
    PRODUCTION,
    SANDBOX,
    Shop,
    ec_request,
    issuing_authority,
    request,
    rsa_key,
)

from credenza.actions import backups, oauth_keys, project_members, project_services, projects, service_keys
from credenza.actions import certificates as certificate_actions
from credenza.actions.service_key_admission import ByPublicKey, ByRequest, MadeHere, NewServiceKey
from credenza.domain.errors import Code
from credenza.domain.expiry import add_months
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import (
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationRole,
    ProjectRole,
    Status,
)
from credenza.domain.service_keys import purpose
from credenza.store import quarantine
from credenza.store.engine import writing
from credenza.store.schema import certificates, changes, credentials, service_private_keys

READ, WRITE, SIGN = (
    CredentialKind.RESPONSE_ENCRYPTION,
    CredentialKind.REQUEST_ENCRYPTION,
    CredentialKind.REQUEST_SIGNATURE,
)
ONE_ACTIVE = pytest.mark.parametrize("kind", [READ, SIGN])


def pem(number: int) -> bytes:
    return rsa_key(number).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Counter:
    """The shop's first service, and keys for it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.stage = shop.stage
        (environment,) = shop.project.environments
        self.service = environment.services[0].service_id
        self._keys = 0

    def new(self, kind: CredentialKind) -> NewServiceKey:
        self._keys += 1
        alias = f"{kind} {self._keys}"
        return MadeHere(alias) if kind is WRITE else ByPublicKey(kind, alias, pem(self._keys))

    def add(self, kind: CredentialKind, environment: EnvironmentName | None = None) -> Credential:
        new = self.new(kind)
        return self.shop.done("service_key.add", service_keys.add, self.service, new, environment)

    def activate(self, key: Credential) -> Credential:
        return self.shop.done("service_key.activate", service_keys.activate, self.service, key.id).credential

    def revoke(self, key: Credential) -> Credential:
        revoked = self.shop.done("service_key.revoke", service_keys.revoke, self.service, key.id, reason="leaked")
        return revoked.credential

    def look(self, key: Credential) -> Credential:
        return self.shop.looked(service_keys.get, self.service, key.id)

    def states(self, *keys: Credential) -> list[Status]:
        return [self.look(key).status_at(self.stage.now) for key in keys]

    def listed(self, **wanted: object) -> list[CredentialId]:
        query = ServiceKeyQuery(**wanted)  # type: ignore[arg-type]
        return [key.id for key in self.shop.looked(service_keys.list_page, query)]


@pytest.fixture
def counter(shop: Shop) -> Counter:
    return Counter(shop)


# ------------------------------------------------------------------------------------------------------ adding


def test_a_key_of_the_clients_is_certified_for_its_purpose_alone(counter: Counter) -> None:
    new = ByRequest(READ, "reader", request(1))

    made = counter.shop.done("service_key.add", service_keys.add, counter.service, new, None)

    certificate = x509.load_der_x509_certificate(made.certificate_der)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    certificate.verify_directly_issued_by(issuing_authority(counter.stage.platform, SANDBOX))
    assert (usage.key_encipherment, usage.digital_signature) == (True, False)
    assert [each.oid for each in certificate.extensions if each.oid == x509.ExtendedKeyUsage.oid] == []
    assert certificate.public_key() == rsa_key(1).public_key()
    assert "CN=application 1" in certificate.subject.rfc4514_string()
    assert (made.kind, made.environment, made.service_id, made.status) == (READ, SANDBOX, counter.service, "ACTIVE")
    assert made.not_after == add_months(counter.stage.now, 13) - timedelta(seconds=1)
    assert counter.look(made) == made
    assert counter.stage.rows(service_private_keys) == []
    assert pki_linters.certificate_findings(made.certificate_der) == []


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_bare_public_key_is_enough(counter: Counter, encoding: Encoding) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    offered = key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    made = counter.shop.done(
        "service_key.add", service_keys.add, counter.service, ByPublicKey(SIGN, "signer", offered), None
    )

    certificate = x509.load_der_x509_certificate(made.certificate_der)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_encipherment, usage.digital_signature) == (False, True)
    assert certificate.public_key() == key
    assert certificate.subject.rfc4514_string() == f"CN={made.id}"
    assert made.key_algorithm == "EC-P256"


def test_the_private_half_of_a_key_made_here_is_wrapped_and_fits(counter: Counter) -> None:
    made = counter.add(WRITE)

    (row,) = counter.stage.rows(service_private_keys)
    held = load_der_private_key(counter.stage.platform.vault.unwrap(purpose(made.id), row.wrapped_private_key), None)
    assert isinstance(held, rsa.RSAPrivateKey)
    public = x509.load_der_x509_certificate(made.certificate_der).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    assert held.decrypt(public.encrypt(b"42", oaep), oaep) == b"42"
    assert (row.credential_id, made.key_algorithm, made.status) == (made.id, "RSA-2048", Status.ACTIVE)


@ONE_ACTIVE
def test_a_new_one_is_active_when_none_is(counter: Counter, kind: CredentialKind) -> None:
    first, second = counter.add(kind), counter.add(kind)

    assert counter.states(first, second) == [Status.ACTIVE, Status.INACTIVE]
    assert (first.inactive_since, second.inactive_since) == (None, counter.stage.now)


@ONE_ACTIVE
def test_a_new_one_takes_the_place_of_one_that_has_expired(counter: Counter, kind: CredentialKind) -> None:
    old = counter.add(kind)
    counter.stage.clock.set(old.not_after + timedelta(seconds=1))

    new = counter.add(kind)

    assert counter.states(old, new) == [Status.EXPIRED, Status.ACTIVE]


def test_keys_that_requests_are_encrypted_with_are_active_side_by_side(counter: Counter) -> None:
    assert counter.states(*(counter.add(WRITE) for _ in range(3))) == [Status.ACTIVE] * 3


def test_each_kind_environment_and_service_has_an_active_one_of_its_own(counter: Counter) -> None:
    shop = counter.shop
    shop.add_production()
    other = counter.stage.service()
    shop.done("environment.service.add", project_services.add, SANDBOX, other.id)

    made = [counter.add(kind, where) for kind in (READ, SIGN) for where in (SANDBOX, PRODUCTION)]
    counter.service = other.id
    made.append(counter.add(READ))

    assert {key.status for key in made} == {Status.ACTIVE}


def test_a_service_that_the_project_does_not_use(counter: Counter) -> None:
    other = counter.stage.service()

    counter.shop.refused("service_key.add", Code.SERVICE_NOT_FOUND, service_keys.add, other.id, MadeHere("ours"), None)


def test_an_environment_where_the_project_does_not_use_the_service(counter: Counter) -> None:
    counter.shop.refused(
        "service_key.add", Code.PROJECT_STATUS, service_keys.add, counter.service, MadeHere("ours"), PRODUCTION
    )


def test_which_environment_must_be_said_where_there_are_two(counter: Counter) -> None:
    counter.shop.add_production()

    counter.shop.refused("service_key.add", Code.INVALID, service_keys.add, counter.service, MadeHere("ours"), None)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (ByRequest(READ, "x", b""), Code.INVALID_CSR),
        (ByPublicKey(READ, "x", b""), Code.INVALID_CSR),
        (ByRequest(READ, "x", ec_request(1)), Code.INVALID_CSR),
        (ByPublicKey(SIGN, "x", request(1)), Code.INVALID_CSR),
        (ByRequest(WRITE, "x", request(1)), Code.KEY_TYPE),
        (ByPublicKey(WRITE, "x", pem(1)), Code.KEY_TYPE),
    ],
    ids=["no request", "no key", "EC to encrypt", "request as key", "client encryption by request", "and by key"],
)
def test_a_key_that_does_not_fit(counter: Counter, new: NewServiceKey, code: Code) -> None:
    counter.shop.refused("service_key.add", code, service_keys.add, counter.service, new, None)


def test_a_key_that_was_used_for_the_service_does_not_come_back(counter: Counter) -> None:
    first = counter.add(READ)
    second = counter.add(READ)
    counter.activate(second)
    counter.revoke(first)
    again = ByPublicKey(READ, "again", pem(1))

    counter.shop.refused("service_key.add", Code.DUPLICATE_KEY, service_keys.add, counter.service, again, None)


def test_one_key_may_sign_and_decrypt(counter: Counter) -> None:
    for kind in (READ, SIGN):
        new = ByPublicKey(kind, "one key", pem(1))
        counter.shop.done("service_key.add", service_keys.add, counter.service, new, None)


def test_gates_are_told_of_additions_swaps_and_revocations(counter: Counter) -> None:
    first, second = counter.add(READ), counter.add(READ)
    counter.activate(second)
    counter.revoke(first)

    told = [(row.kind, row.subject) for row in counter.stage.rows(changes) if row.kind == "service_key"]
    assert told == [("service_key", counter.shop.project.id)] * 4


# ------------------------------------------------------------------------------------------------- one call for all


def test_a_service_comes_with_its_credentials_or_not_at_all(counter: Counter) -> None:
    service = counter.stage.service()
    keys = (MadeHere("ours"), ByPublicKey(READ, "reader", pem(1)), ByRequest(SIGN, "signer", request(2)))

    view = counter.shop.done("environment.service.add", project_services.add, SANDBOX, service.id, keys=keys)

    made = [each for each in view.credentials if each.service_id == service.id]
    assert {each.kind for each in made} == {READ, WRITE, SIGN}
    assert {each.status for each in made} == {Status.ACTIVE}
    assert {row.state for row in counter.stage.rows(certificates)} == {"ISSUED"}


def test_one_bad_key_refuses_the_service_as_well(counter: Counter) -> None:
    service = counter.stage.service()
    keys = (MadeHere("ours"), ByRequest(READ, "reader", b"-----"))

    counter.shop.refused(
        "environment.service.add", Code.INVALID_CSR, project_services.add, SANDBOX, service.id, keys=keys
    )


def test_two_of_a_kind_in_one_call_and_the_first_is_active(counter: Counter) -> None:
    service = counter.stage.service()
    keys = tuple(ByPublicKey(READ, f"reader {number}", pem(number)) for number in (1, 2))

    view = counter.shop.done("environment.service.add", project_services.add, SANDBOX, service.id, keys=keys)

    made = {each.alias: each.status for each in view.credentials if each.service_id == service.id}
    assert made == {"reader 1": Status.ACTIVE, "reader 2": Status.INACTIVE}


def test_the_same_key_twice_in_one_call_abandons_both(counter: Counter) -> None:
    service = counter.stage.service()
    keys = (ByPublicKey(READ, "one", pem(1)), ByPublicKey(READ, "two", pem(1)))

    counter.shop.refused(
        "environment.service.add",
        Code.DUPLICATE_KEY,
        project_services.add,
        SANDBOX,
        service.id,
        keys=keys,
        abandons=True,
    )


def test_a_service_that_is_there_already_is_refused_before_anything_is_signed(counter: Counter) -> None:
    counter.shop.refused(
        "environment.service.add",
        Code.DUPLICATE_PROJECT_SERVICE,
        project_services.add,
        SANDBOX,
        counter.service,
        keys=(MadeHere("ours"),),
    )


# -------------------------------------------------------------------------------------------------- activation


@ONE_ACTIVE
def test_activation_swaps(counter: Counter, kind: CredentialKind) -> None:
    first, second = counter.add(kind), counter.add(kind)
    counter.stage.clock.advance(timedelta(hours=1))

    activated = counter.activate(second)

    assert counter.states(first, second) == [Status.INACTIVE, Status.ACTIVE]
    assert counter.look(first).inactive_since == counter.stage.now
    assert (activated.status, activated.inactive_since) == (Status.ACTIVE, None)
    assert counter.states(counter.activate(first), second) == [Status.ACTIVE, Status.INACTIVE]


def test_the_audit_log_says_whose_place_it_took(counter: Counter) -> None:
    first, second = counter.add(READ), counter.add(READ)

    counter.activate(second)

    row = list(counter.stage.traces().values())
    (swap,) = [each for each in row if each.action == "service_key.activate"]
    assert (swap.subject, swap.detail) == (
        second.id,
        f"SANDBOX service {counter.service} in place of {first.id}",
    )


def test_to_activate_the_active_one_changes_nothing(counter: Counter) -> None:
    first = counter.add(READ)
    told = len(counter.stage.rows(changes))

    assert counter.activate(first) == first
    assert len(counter.stage.rows(changes)) == told


def test_an_expired_one_is_not_activated(counter: Counter) -> None:
    counter.add(READ)
    second = counter.add(READ)
    counter.stage.clock.set(second.not_after + timedelta(seconds=1))

    counter.shop.refused("service_key.activate", Code.EXPIRED_KEY, service_keys.activate, counter.service, second.id)


def test_a_revoked_one_is_not_activated(counter: Counter) -> None:
    counter.add(READ)
    second = counter.revoke(counter.add(READ))

    counter.shop.refused("service_key.activate", Code.NOT_ACTIVE, service_keys.activate, counter.service, second.id)


def test_a_client_encryption_key_is_not_activated(counter: Counter) -> None:
    made = counter.add(WRITE)

    counter.shop.refused("service_key.activate", Code.KEY_TYPE, service_keys.activate, counter.service, made.id)


# -------------------------------------------------------------------------------------------------- revocation


@ONE_ACTIVE
def test_the_active_one_is_not_revoked_until_another_is(counter: Counter, kind: CredentialKind) -> None:
    first, second = counter.add(kind), counter.add(kind)
    place = (service_keys.revoke, counter.service, first.id)
    counter.shop.refused("service_key.revoke", Code.ACTIVE_SERVICE_KEY, *place, reason="")

    counter.activate(second)

    assert counter.revoke(first).status is Status.REVOKED
    assert counter.states(first, second) == [Status.REVOKED, Status.ACTIVE]


def test_the_last_active_client_encryption_key_is_not_revoked(counter: Counter) -> None:
    first = counter.add(WRITE)
    place = (service_keys.revoke, counter.service, first.id)
    counter.shop.refused("service_key.revoke", Code.LAST_SERVICE_KEY, *place, reason="")

    second = counter.add(WRITE)

    assert counter.revoke(first).revoked_reason == "leaked"
    assert counter.states(first, second) == [Status.REVOKED, Status.ACTIVE]


def test_one_that_has_expired_does_not_count_as_another(counter: Counter) -> None:
    old = counter.add(WRITE)
    counter.stage.clock.set(old.not_after - timedelta(days=1))
    new = counter.add(WRITE)
    counter.stage.clock.set(old.not_after + timedelta(days=1))

    place = (service_keys.revoke, counter.service, new.id)
    counter.shop.refused("service_key.revoke", Code.LAST_SERVICE_KEY, *place, reason="")
    assert counter.revoke(old).status is Status.REVOKED


def test_a_second_revocation_changes_nothing(counter: Counter) -> None:
    counter.add(READ)
    second = counter.revoke(counter.add(READ))

    assert counter.revoke(second) == second


def test_a_deleted_project_takes_its_active_keys_along(counter: Counter) -> None:
    made = [counter.add(kind) for kind in (READ, WRITE, SIGN)]

    counter.shop.done("project.delete", projects.delete)

    rows = {row.id: row.status for row in counter.stage.rows(credentials)}
    assert {rows[key.id] for key in made} == {"REVOKED"}


# ----------------------------------------------------------------------------------------------------- finding


def test_a_list_by_service_environment_kind_and_status(counter: Counter) -> None:
    shop = counter.shop
    other = counter.stage.service()
    shop.done("environment.service.add", project_services.add, SANDBOX, other.id)
    first, second, ours = counter.add(READ), counter.add(READ), counter.add(WRITE)
    counter.service = other.id
    elsewhere = counter.add(SIGN)

    assert counter.listed() == sorted([first.id, second.id, ours.id, elsewhere.id])
    assert counter.listed(service_id=other.id) == [elsewhere.id]
    assert counter.listed(environment=PRODUCTION) == []
    assert counter.listed(kind=WRITE) == [ours.id]
    assert counter.listed(status=Status.INACTIVE) == [second.id]
    assert counter.listed(limit=2) == counter.listed()[:2]
    assert counter.listed(after=counter.listed()[1]) == counter.listed()[2:]
    assert counter.listed(expiring=True) == []
    counter.stage.clock.set(first.not_after - timedelta(days=30))
    assert counter.listed(expiring=True, kind=READ) == [first.id]
    counter.stage.clock.set(first.not_after + timedelta(days=1))
    assert counter.listed(status=Status.EXPIRED) == counter.listed()


def test_neither_the_keys_nor_the_limit_of_the_project_count_them(oauth2_shop: Shop) -> None:
    counter = Counter(oauth2_shop)
    for _ in range(4):
        counter.add(WRITE)

    for _ in range(2):
        oauth2_shop.add()
    assert len(oauth2_shop.looked(oauth_keys.list_page, limit=50)) == 3


def test_one_is_neither_rotated_nor_renewed_nor_revoked_as_a_key_that_signs_calls(counter: Counter) -> None:
    made, shop = counter.add(SIGN), counter.shop
    new = shop.stage.new_key()

    shop.refused("key.rotate", Code.NOT_RENEWABLE, oauth_keys.rotate, made.id, new)
    shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, made.id)
    for call in (oauth_keys.revoke, certificate_actions.revoke):
        action = "key.revoke" if call is oauth_keys.revoke else "certificate.revoke"
        shop.refused(action, Code.CREDENTIAL_NOT_FOUND, call, made.id, keep_last=False, reason="")
    shop.refused(
        "key.add",
        Code.CREDENTIAL_NOT_FOUND,
        oauth_keys.add_by_csr,
        new,
        SANDBOX,
        predecessor_id=made.id,
    )


def test_one_is_found_at_its_own_service_alone(counter: Counter) -> None:
    other = counter.stage.service()
    counter.shop.done("environment.service.add", project_services.add, SANDBOX, other.id)
    made = counter.add(READ)
    counter.service = other.id

    for action, call in (("view", service_keys.get), ("activate", service_keys.activate)):
        counter.shop.refused(f"service_key.{action}", Code.CREDENTIAL_NOT_FOUND, call, other.id, made.id)
    counter.shop.refused("service_key.view", Code.CREDENTIAL_NOT_FOUND, service_keys.get, other.id, counter.shop.key.id)


# ------------------------------------------------------------------------------------------------- after a restore


def hold(counter: Counter) -> None:
    with writing(counter.stage.platform.database.records) as connection:
        quarantine.impose(connection, now=counter.stage.now)


def test_one_that_a_restore_holds_is_not_activated_but_released(counter: Counter) -> None:
    first = counter.add(READ)
    hold(counter)
    place = (service_keys.activate, counter.service, first.id)
    owner = counter.stage.token(counter.shop.owner.user, counter.shop.organization)
    counter.stage.refused("service_key.activate", Code.NOT_ACTIVE, place[0], owner, counter.shop.project.id, *place[1:])

    backups.release(counter.stage.platform, OPERATOR, None, now=counter.stage.now)

    assert {row.status for row in counter.stage.rows(credentials) if row.id == first.id} == {"ACTIVE"}


def test_what_is_released_pushes_nothing_aside(counter: Counter) -> None:
    first = counter.add(READ)
    hold(counter)
    owner = counter.stage.token(counter.shop.owner.user, counter.shop.organization)
    place = (counter.shop.project.id, counter.service)
    second = service_keys.add(
        counter.stage.platform, owner, *place, ByPublicKey(READ, "new", pem(2)), None, now=counter.stage.now
    )

    backups.release(counter.stage.platform, OPERATOR, None, now=counter.stage.now)

    rows = {row.id: (row.status, row.inactive_since) for row in counter.stage.rows(credentials)}
    assert rows[second.id] == ("ACTIVE", None)
    assert rows[first.id] == ("INACTIVE", counter.stage.now)


# ------------------------------------------------------------------------------------------------------ who may what


def test_a_reader_of_the_project_looks_and_changes_nothing(counter: Counter) -> None:
    shop, made, other = counter.shop, counter.add(READ), counter.add(READ)
    stage, project_id = shop.stage, shop.project.id
    rita = stage.member(shop.organization, OrganizationRole.USER)
    reader = {"email": rita.user.email, "role": ProjectRole.READ_ONLY}
    shop.done("project.member.set", project_members.set_role, **reader)

    assert len(stage.looked(service_keys.list_page, rita.actor, project_id, ServiceKeyQuery())) == 2
    assert stage.looked(service_keys.get, rita.actor, project_id, counter.service, made.id) == made
    place = (rita.actor, project_id, counter.service)
    forbidden = Code.PROJECT_FORBIDDEN
    stage.refused("service_key.add", forbidden, service_keys.add, *place, MadeHere("ours"), None)
    stage.refused("service_key.activate", forbidden, service_keys.activate, *place, other.id)
    stage.refused("service_key.revoke", forbidden, service_keys.revoke, *place, other.id, reason="")


def test_a_stranger_sees_no_such_project(counter: Counter) -> None:
    stage, made = counter.stage, counter.add(READ)
    stranger = stage.member(stage.organization()).actor
    place = (stranger, counter.shop.project.id)

    stage.refused("service_key.list", Code.PROJECT_NOT_FOUND, service_keys.list_page, *place, ServiceKeyQuery())
    stage.refused("service_key.view", Code.PROJECT_NOT_FOUND, service_keys.get, *place, counter.service, made.id)
