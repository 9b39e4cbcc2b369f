"""Devices that enrol and re-enrol by themselves (RFC 7030): by a secret once, then by the certificate that ends."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.actions.foreign import Foreign, pem
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, Stage
from tests.actions.test_races import race

from credenza.actions import (
    certificates,
    enrolment,
    enrolment_secrets,
    people,
    project_members,
    projects,
)
from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.actions.context import Platform
from credenza.actions.enrolment_secrets import IssuedSecret
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import EXPIRING, add_months
from credenza.domain.model import Credential, EnvironmentName, OrganizationRole, ProjectRole, Status
from credenza.protocol import csr
from credenza.store import quarantine
from credenza.store.engine import writing
from credenza.store.schema import audit_entries, credentials
from credenza.store.schema import certificates as serials

SECOND = timedelta(seconds=1)
ADDRESS = "192.0.2.9"
AT_ONCE = 8


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def der(request: bytes) -> bytes:
    return x509.load_pem_x509_csr(request).public_bytes(Encoding.DER)


def asked(name: str = "till-1", with_key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    return der(csr.build(with_key or key(), common_name=name, organization="Acme"))


def secret(shop: Shop, *, alias: str = "till", hours: int = 24, environment: EnvironmentName | None = None) -> str:
    return made(shop, alias=alias, hours=hours, environment=environment).secret


def made(shop: Shop, **said: Any) -> IssuedSecret:
    named = {"alias": "till", "hours": 24, "environment": None, **said}
    return shop.done("enrolment_secret.create", enrolment_secrets.create, **named)


def enrol(shop: Shop, shown: str, request: bytes | None = None) -> Credential:
    sent = request or asked()
    return shop.stage.done("certificate.enrol", enrolment.enrol, SANDBOX, shown, sent, address=ADDRESS)


def enrolled(shop: Shop, request: bytes | None = None) -> Credential:
    return enrol(shop, secret(shop), request)


def unproven(shop: Shop, shown: str, environment: EnvironmentName = SANDBOX, request: bytes | None = None) -> str:
    with pytest.raises(Refusal) as refused:
        enrolment.enrol(
            shop.stage.platform, environment, shown, request or asked("other"), address="", now=shop.stage.now
        )
    assert refused.value.code is Code.UNAUTHENTICATED
    return refused.value.message


def nearly_ended(shop: Shop, request: bytes | None = None) -> Credential:
    held = enrolled(shop, request)
    shop.stage.clock.set(held.not_after - EXPIRING)
    return held


def follow(shop: Shop, held: Credential, request: bytes) -> Credential:
    named = {"address": ADDRESS}
    return shop.stage.done("certificate.reenrol", enrolment.reenrol, SANDBOX, held.certificate_der, request, **named)


def not_followed(shop: Shop, held: Credential, request: bytes, code: Code, **said: Any) -> str:
    arguments = (enrolment.reenrol, SANDBOX, held.certificate_der, request)
    return shop.stage.refused("certificate.reenrol", code, *arguments, address="", **said).message


def revoke(shop: Shop, held: Credential) -> None:
    named = {"keep_last": False, "reason": "lost"}
    certificates.revoke(
        shop.stage.platform,
        OPERATOR,
        shop.project.id,
        held.id,
        now=shop.stage.now,
        **named,  # type: ignore[arg-type]
    )


# ------------------------------------------------------------------------------------------------------ the secrets


def test_a_secret_has_prefix_256_random_bits_and_checksum_and_is_shown_once(mtls_shop: Shop) -> None:
    issued = made(mtls_shop)

    assert (issued.secret[:4], len(issued.secret)) == ("cze_", 53)
    assert issued.secret not in repr(issued)
    assert issued.secret not in str(mtls_shop.stage.dump())
    assert issued.enrolment.expires_at == mtls_shop.stage.now + timedelta(hours=24)
    assert mtls_shop.looked(enrolment_secrets.list_latest) == (issued.enrolment,)


@pytest.mark.parametrize("hours", [0, 169])
def test_a_secret_lives_a_week_at_most(mtls_shop: Shop, hours: int) -> None:
    named = {"alias": "x", "environment": None, "hours": hours}
    mtls_shop.refused("enrolment_secret.create", Code.INVALID, enrolment_secrets.create, **named)


def test_a_project_that_takes_no_certificate_has_no_secrets(shop: Shop) -> None:
    named = {"alias": "x", "environment": None, "hours": 24}
    shop.refused("enrolment_secret.create", Code.KEY_TYPE, enrolment_secrets.create, **named)


def test_who_may_not_add_certificates_makes_no_secret(mtls_shop: Shop, stage: Stage) -> None:
    reader = stage.member(mtls_shop.organization, OrganizationRole.USER)
    role = {"email": reader.user.email, "role": ProjectRole.READ_ONLY}
    mtls_shop.done("project.member.set", project_members.set_role, **role)

    call = (enrolment_secrets.create, reader.actor, mtls_shop.project.id)
    named = {"alias": "x", "environment": None, "hours": 24}
    stage.refused("enrolment_secret.create", Code.PROJECT_FORBIDDEN, *call, **named)
    stage.looked(enrolment_secrets.list_latest, reader.actor, mtls_shop.project.id)
    stranger = stage.member(mtls_shop.organization, OrganizationRole.USER)
    looking = (enrolment_secrets.list_latest, stranger.actor, mtls_shop.project.id)
    stage.refused("enrolment_secret.list", Code.PROJECT_NOT_FOUND, *looking)


def test_a_secret_is_revoked_once_for_all_unless_it_was_used(mtls_shop: Shop, stage: Stage) -> None:
    one, used, other = made(mtls_shop), made(mtls_shop), Shop(stage, mtls_shop.project.type)
    enrol(mtls_shop, used.secret)

    mtls_shop.done("enrolment_secret.revoke", enrolment_secrets.revoke, one.enrolment.id)
    mtls_shop.done("enrolment_secret.revoke", enrolment_secrets.revoke, one.enrolment.id)

    unproven(mtls_shop, one.secret)
    refused = ("enrolment_secret.revoke", enrolment_secrets.revoke)
    mtls_shop.refused(refused[0], Code.NOT_ACTIVE, refused[1], used.enrolment.id)
    other.refused(refused[0], Code.NOT_FOUND, refused[1], one.enrolment.id)


def test_a_restore_ends_what_was_not_used(mtls_shop: Shop) -> None:
    issued = made(mtls_shop)

    with writing(mtls_shop.stage.platform.database.records) as connection:
        quarantine.impose(connection, now=mtls_shop.stage.now)

    unproven(mtls_shop, issued.secret)


# ------------------------------------------------------------------------------------------------------------ enrol


def test_a_device_enrols_with_a_secret_and_no_more(mtls_shop: Shop) -> None:
    issued, device = made(mtls_shop), key()

    held = enrol(mtls_shop, issued.secret, asked("till-1", device))

    certificate = x509.load_der_x509_certificate(held.certificate_der)
    assert certificate.public_key() == device.public_key()
    assert certificate.subject.rfc4514_string() == "CN=till-1,O=Acme"
    assert held.not_after == add_months(mtls_shop.stage.now, 13) - SECOND
    assert (held.alias, held.environment, held.status) == ("till", SANDBOX, Status.ACTIVE)
    assert (held.owner_id, held.predecessor_id) == (mtls_shop.owner.user.id, None)
    (listed,) = mtls_shop.looked(enrolment_secrets.list_latest)
    assert listed.used_at == mtls_shop.stage.now


def test_the_audit_log_names_the_secret_as_the_actor(mtls_shop: Shop) -> None:
    issued = made(mtls_shop)

    held = enrol(mtls_shop, issued.secret)

    (row,) = [each for each in mtls_shop.stage.rows(audit_entries) if each.action == "certificate.enrol"]
    assert (row.actor_kind, row.actor_id) == ("enrolment_secret", issued.enrolment.id)
    assert (row.user_id, row.address, row.subject) == (mtls_shop.owner.user.id, ADDRESS, held.id)


def test_whatever_is_wrong_with_a_secret_the_refusal_is_the_same(mtls_shop: Shop, stage: Stage) -> None:
    used, revoked, ended, elsewhere = secret(mtls_shop), made(mtls_shop), secret(mtls_shop, hours=1), secret(mtls_shop)
    enrol(mtls_shop, used)
    mtls_shop.done("enrolment_secret.revoke", enrolment_secrets.revoke, revoked.enrolment.id)
    stage.clock.advance(timedelta(hours=1))
    mistyped = elsewhere[:-1] + ("0" if elsewhere[-1] != "0" else "1")

    said = {unproven(mtls_shop, each) for each in ("", "cze_", "a:b", mistyped, used, revoked.secret, ended)}
    said.add(unproven(mtls_shop, elsewhere, PRODUCTION))
    said.add(unproven(mtls_shop, used, request=b"\x30\x00"))

    assert len(said) == 1


def test_the_audit_log_tells_what_the_answer_does_not(mtls_shop: Shop) -> None:
    ended = secret(mtls_shop, hours=1)
    mtls_shop.stage.clock.advance(timedelta(hours=1))

    call = (enrolment.enrol, SANDBOX, ended, asked())
    mtls_shop.stage.refused(
        "certificate.enrol", Code.UNAUTHENTICATED, *call, address="", chain=mtls_shop.organization.id
    )


def test_a_refused_request_does_not_use_the_secret_up(mtls_shop: Shop) -> None:
    shown = secret(mtls_shop)
    enrolled(mtls_shop, asked("taken"))
    for request, code in ((b"\x30\x00", Code.INVALID_CSR), (asked("taken"), Code.DUPLICATE_SUBJECT)):
        call = (enrolment.enrol, SANDBOX, shown, request)
        mtls_shop.stage.refused("certificate.enrol", code, *call, address="")

    assert enrol(mtls_shop, shown).status is Status.ACTIVE


def test_a_secret_is_no_better_than_the_right_of_who_made_it(mtls_shop: Shop, stage: Stage) -> None:
    admin = stage.member(mtls_shop.organization, OrganizationRole.USER)
    role = {"email": admin.user.email, "role": ProjectRole.ADMIN}
    mtls_shop.done("project.member.set", project_members.set_role, **role)
    named = {"alias": "x", "environment": None, "hours": 24, "now": stage.now}
    shown = enrolment_secrets.create(stage.platform, admin.actor, mtls_shop.project.id, **named).secret

    mtls_shop.done("project.member.remove", project_members.remove, admin.user.id)

    unproven(mtls_shop, shown)


def test_the_secret_of_a_disabled_user_is_worth_nothing(mtls_shop: Shop, stage: Stage) -> None:
    shown = secret(mtls_shop)
    people.disable_user(stage.platform, OPERATOR, mtls_shop.owner.user.email, now=stage.now)

    unproven(mtls_shop, shown)


def test_a_secret_that_an_operator_made_belongs_to_nobody(mtls_shop: Shop, stage: Stage) -> None:
    named = {"alias": "x", "environment": None, "hours": 24, "now": stage.now}
    shown = enrolment_secrets.create(stage.platform, OPERATOR, mtls_shop.project.id, **named).secret

    assert enrol(mtls_shop, shown).owner_id is None


def test_nobody_enrols_at_a_deleted_project(mtls_shop: Shop, stage: Stage) -> None:
    shown = secret(mtls_shop)
    projects.delete(stage.platform, OPERATOR, mtls_shop.project.id, now=stage.now)

    with pytest.raises(Refusal) as refused:
        enrolment.enrol(stage.platform, SANDBOX, shown, asked(), address="", now=stage.now)

    assert refused.value.code is Code.PROJECT_NOT_FOUND


def test_the_same_request_has_the_same_certificate_for_a_day(mtls_shop: Shop) -> None:
    shown, request = secret(mtls_shop), asked()
    held = enrol(mtls_shop, shown, request)
    named = {"address": ""}

    mtls_shop.stage.clock.advance(timedelta(hours=23))

    assert mtls_shop.stage.looked(enrolment.enrol, SANDBOX, shown, request, **named) == held
    mtls_shop.stage.clock.advance(timedelta(hours=2))
    unproven(mtls_shop, shown, request=request)


def test_of_devices_that_race_with_one_secret_one_has_a_certificate(mtls_shop: Shop) -> None:
    stage, shown = mtls_shop.stage, secret(mtls_shop)
    before = len(stage.rows(credentials))

    def calling(number: int) -> Callable[[], Any]:
        request = asked(f"till-{number}")
        return lambda: enrolment.enrol(stage.platform, SANDBOX, shown, request, address="", now=stage.now)

    came = race(*map(calling, range(AT_ONCE)))

    assert came == Counter({"done": 1, Code.UNAUTHENTICATED: AT_ONCE - 1})
    assert len(stage.rows(credentials)) == before + 1
    assert {each.state for each in stage.rows(serials)} <= {"ISSUED", "ABANDONED"}


# --------------------------------------------------------------------------------------------------------- re-enrol


@pytest.mark.parametrize("same_key", [True, False], ids=["same key", "new key"])
def test_a_device_follows_its_certificate_up_in_its_last_90_days(mtls_shop: Shop, same_key: bool) -> None:
    device = key()
    held = nearly_ended(mtls_shop, asked("till-1", device))

    successor = follow(mtls_shop, held, asked("till-1", device if same_key else key()))

    assert (successor.predecessor_id, successor.alias, successor.owner_id) == (held.id, held.alias, held.owner_id)
    assert successor.not_after == add_months(mtls_shop.stage.now, 13) - SECOND
    assert (successor.spki_sha256 == held.spki_sha256) is same_key
    assert mtls_shop.looked(certificates.get, held.id).status_at(mtls_shop.stage.now) is Status.ACTIVE
    subjects = {
        x509.load_der_x509_certificate(each.certificate_der).subject.rfc4514_string() for each in (held, successor)
    }
    assert subjects == {"CN=till-1,O=Acme"}


def test_the_audit_log_names_the_certificate_as_the_actor(mtls_shop: Shop) -> None:
    held = nearly_ended(mtls_shop)

    successor = follow(mtls_shop, held, asked())

    (row,) = [each for each in mtls_shop.stage.rows(audit_entries) if each.action == "certificate.reenrol"]
    assert (row.actor_kind, row.actor_id, row.user_id) == ("certificate", held.id, "")
    assert (row.subject, row.address) == (successor.id, ADDRESS)


def test_before_that_it_is_too_early(mtls_shop: Shop) -> None:
    held = enrolled(mtls_shop)
    mtls_shop.stage.clock.set(held.not_after - EXPIRING - SECOND)

    said = not_followed(mtls_shop, held, asked(), Code.NOT_RENEWABLE)

    assert "in its last 90 days" in said


def test_a_revoked_or_ended_certificate_is_followed_by_none(mtls_shop: Shop) -> None:
    revoked = nearly_ended(mtls_shop)
    revoke(mtls_shop, revoked)
    assert "REVOKED" in not_followed(mtls_shop, revoked, asked(), Code.UNAUTHENTICATED)

    ended = enrolled(mtls_shop, asked("till-2"))
    mtls_shop.stage.clock.set(ended.not_after + SECOND)
    assert "EXPIRED" in not_followed(mtls_shop, ended, asked("till-2"), Code.UNAUTHENTICATED)


def test_one_in_quarantine_is_followed_by_none(mtls_shop: Shop) -> None:
    held = nearly_ended(mtls_shop)
    with writing(mtls_shop.stage.platform.database.records) as connection:
        quarantine.impose(connection, now=mtls_shop.stage.now)

    assert "INACTIVE" in not_followed(mtls_shop, held, asked(), Code.UNAUTHENTICATED)


def test_an_unknown_certificate_or_one_of_another_environment_proves_nothing(mtls_shop: Shop, stage: Stage) -> None:
    held = nearly_ended(mtls_shop)
    stranger = Foreign(stage).leaf("till-1").public_bytes(Encoding.DER)
    for environment, presented in ((SANDBOX, stranger), (SANDBOX, b"x"), (PRODUCTION, held.certificate_der)):
        with pytest.raises(Refusal) as refused:
            enrolment.reenrol(stage.platform, environment, presented, asked(), address="", now=stage.now)
        assert refused.value.code is Code.UNAUTHENTICATED


def test_a_signing_key_s_certificate_is_no_client_s(oauth2_shop: Shop, stage: Stage) -> None:
    presented = oauth2_shop.key.certificate_der

    with pytest.raises(Refusal) as refused:
        enrolment.reenrol(stage.platform, SANDBOX, presented, asked(), address="", now=stage.now)

    assert refused.value.code is Code.UNAUTHENTICATED


def test_one_that_was_issued_elsewhere_is_followed_there(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()
    leaf = foreign.leaf("till-1", ends=timedelta(days=30))
    held = mtls_shop.done(
        "certificate.add",
        certificates.add_issued_elsewhere,
        NewCertificate("x", pem(leaf), pem(foreign.issuing)),
        None,
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(leaf.subject).sign(key(), SHA256())

    said = not_followed(mtls_shop, held, request.public_bytes(Encoding.DER), Code.NOT_RENEWABLE)
    assert "issued elsewhere" in said


def named_otherwise() -> list[Any]:
    device = key()
    builder = x509.CertificateSigningRequestBuilder()
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme"), x509.NameAttribute(NameOID.COMMON_NAME, "till-1")]
    )
    also = x509.Name([x509.NameAttribute(NameOID.LOCALITY_NAME, "Ulm"), *name])
    alternative = x509.SubjectAlternativeName([x509.DNSName("admin.example.org")])
    requests = {
        "another CN": der(csr.build(device, common_name="till-2", organization="Acme")),
        "no O": der(csr.build(device, common_name="till-1")),
        "an attribute more, which would not be taken over": builder.subject_name(also)
        .sign(device, SHA256())
        .public_bytes(Encoding.DER),
        "an alternative name": builder.subject_name(name)
        .add_extension(alternative, critical=False)
        .sign(device, SHA256())
        .public_bytes(Encoding.DER),
    }
    return [pytest.param(request, id=what) for what, request in requests.items()]


@pytest.mark.parametrize("request_der", named_otherwise())
def test_other_names_than_those_of_the_certificate_are_refused(mtls_shop: Shop, request_der: bytes) -> None:
    held = nearly_ended(mtls_shop)

    not_followed(mtls_shop, held, request_der, Code.INVALID_CSR)


def test_the_same_request_has_the_same_successor_as_long_as_that_is_good(mtls_shop: Shop) -> None:
    held, request = nearly_ended(mtls_shop), asked()
    successor = follow(mtls_shop, held, request)
    ask = (enrolment.reenrol, SANDBOX, held.certificate_der, request)

    assert mtls_shop.stage.looked(*ask, address="") == successor

    mtls_shop.stage.clock.advance(timedelta(days=30))
    assert enrolment.reenrol(mtls_shop.stage.platform, *ask[1:], address="", now=mtls_shop.stage.now) == successor


def test_a_certificate_has_one_successor_until_that_one_is_revoked(mtls_shop: Shop) -> None:
    held = nearly_ended(mtls_shop)
    successor = follow(mtls_shop, held, asked())

    assert successor.id in not_followed(mtls_shop, held, asked(), Code.NOT_RENEWABLE)
    revoke(mtls_shop, successor)

    again = follow(mtls_shop, held, asked())
    assert (again.predecessor_id, again.status) == (held.id, Status.ACTIVE)


def test_an_old_key_takes_no_name_back_that_has_moved_on(mtls_shop: Shop) -> None:
    held = nearly_ended(mtls_shop)
    successor = follow(mtls_shop, held, asked())
    with_short_life = successor.not_after - EXPIRING
    assert held.not_after < with_short_life

    for request in (asked(), asked("till-1")):
        call = (certificates.add_by_csr, NewRequest("x", request), None)
        mtls_shop.refused("certificate.add", Code.DUPLICATE_SUBJECT, *call)


def test_the_successor_is_followed_up_in_its_turn(mtls_shop: Shop) -> None:
    first = nearly_ended(mtls_shop)
    second = follow(mtls_shop, first, asked())
    mtls_shop.stage.clock.set(second.not_after - EXPIRING)

    assert follow(mtls_shop, second, asked()).predecessor_id == second.id


def test_of_requests_that_race_one_is_the_successor(mtls_shop: Shop) -> None:
    stage, held = mtls_shop.stage, nearly_ended(mtls_shop)
    before = len(stage.rows(credentials))

    def calling(request: bytes) -> Callable[[], Any]:
        presented = held.certificate_der
        return lambda: enrolment.reenrol(stage.platform, SANDBOX, presented, request, address="", now=stage.now)

    came = race(*(calling(asked()) for _ in range(AT_ONCE)))

    assert came["done"] == 1
    assert set(came) <= {"done", Code.NOT_RENEWABLE, Code.DUPLICATE_SUBJECT}
    assert len(stage.rows(credentials)) == before + 1


# ------------------------------------------------------------------------------- what happens while a request is signed


def meanwhile(stage: Stage, happens: Callable[[], Any]) -> Platform:
    """A platform where something else happens between a reservation and its signature, once."""
    to_come = [happens]

    def failpoint(reached: str) -> None:
        if reached == "before_signature" and to_come:
            to_come.pop()()

    return replace(stage.platform, failpoint=failpoint)


def last_states(stage: Stage) -> list[str]:
    return sorted(each.state for each in stage.rows(serials) if each.state != "ISSUED")


def test_a_secret_that_another_device_uses_meanwhile_is_used(mtls_shop: Shop) -> None:
    stage, shown = mtls_shop.stage, secret(mtls_shop)
    before = len(stage.rows(credentials))
    place = meanwhile(stage, lambda: enrol(mtls_shop, shown, asked("faster")))

    with pytest.raises(Refusal) as refused:
        enrolment.enrol(place, SANDBOX, shown, asked("slower"), address="", now=stage.now)

    assert refused.value.code is Code.UNAUTHENTICATED
    assert (len(stage.rows(credentials)), last_states(stage)) == (before + 1, ["ABANDONED"])


def test_a_secret_that_is_revoked_meanwhile_gives_nothing(mtls_shop: Shop) -> None:
    stage, issued = mtls_shop.stage, made(mtls_shop)
    ending = (mtls_shop.owner.actor, mtls_shop.project.id, issued.enrolment.id)
    place = meanwhile(stage, lambda: enrolment_secrets.revoke(stage.platform, *ending, now=stage.now))

    with pytest.raises(Refusal) as refused:
        enrolment.enrol(place, SANDBOX, issued.secret, asked(), address="", now=stage.now)

    assert (refused.value.code, last_states(stage)) == (Code.UNAUTHENTICATED, ["ABANDONED"])


def test_a_certificate_that_is_followed_up_meanwhile_has_one_successor(mtls_shop: Shop) -> None:
    held = nearly_ended(mtls_shop)
    stage = mtls_shop.stage
    place = meanwhile(stage, lambda: follow(mtls_shop, held, asked()))

    with pytest.raises(Refusal) as refused:
        enrolment.reenrol(place, SANDBOX, held.certificate_der, asked(), address="", now=stage.now)

    assert (refused.value.code, last_states(stage)) == (Code.DUPLICATE_SUBJECT, ["ABANDONED"])


def test_a_certificate_that_is_revoked_meanwhile_has_no_successor(mtls_shop: Shop) -> None:
    held = nearly_ended(mtls_shop)
    stage = mtls_shop.stage
    place = meanwhile(stage, lambda: revoke(mtls_shop, held))

    with pytest.raises(Refusal) as refused:
        enrolment.reenrol(place, SANDBOX, held.certificate_der, asked(), address="", now=stage.now)

    assert (refused.value.code, last_states(stage)) == (Code.UNAUTHENTICATED, ["ABANDONED"])
