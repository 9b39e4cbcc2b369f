"""mTLS certificates of a project: product rows C2 to C10."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests.actions.foreign import Foreign, pem
from tests.actions.stage import (
    OPERATOR,
    PRODUCTION,
    SANDBOX,
    Shop,
    Stage,
    ec_request,
    issuing_authority,
    request,
)
from tests.protocol.authorities import CLIENT, SERVER, Party

from credenza.actions import certificates, issuers, oauth_keys, project_members, projects, search
from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewEnvironment
from credenza.domain import subject_policy
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import add_months
from credenza.domain.lists import KeyOrder, KeyQuery
from credenza.domain.model import (
    AuthorityId,
    Credential,
    CredentialId,
    CredentialKind,
    OrganizationRole,
    ProjectRole,
    Status,
)
from credenza.protocol import csr
from credenza.store import trusted_authorities
from credenza.store.engine import reading, writing
from credenza.store.schema import certificate_subjects, changes
from credenza.store.schema import certificates as serials
from credenza.store.trusted_authorities import ForeignList

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def named(common_name: str, key: ec.EllipticCurvePrivateKey | None = None) -> NewRequest:
    return NewRequest("x", csr.build(key or ec.generate_private_key(ec.SECP256R1()), common_name=common_name))


def add(shop: Shop, new: NewRequest | None = None) -> Credential:
    return shop.done("certificate.add", certificates.add_by_csr, new or shop.stage.new_request(), None)


def bring(shop: Shop, new: NewCertificate) -> Credential:
    return shop.done("certificate.add", certificates.add_issued_elsewhere, new, None)


def revoke(shop: Shop, held: Credential) -> certificates.Revoked:
    return shop.done("certificate.revoke", certificates.revoke, held.id, keep_last=False, reason="replaced")


def look(shop: Shop, held: Credential) -> Credential:
    return shop.looked(certificates.get, held.id)


# -------------------------------------------------------------------------------------------------- issued here


def test_a_certificate_is_issued_for_a_csr(mtls_shop: Shop) -> None:
    added = add(mtls_shop)
    certificate = x509.load_der_x509_certificate(added.certificate_der)

    certificate.verify_directly_issued_by(issuing_authority(mtls_shop.stage.platform, SANDBOX))
    assert look(mtls_shop, added) == added
    assert (added.kind, added.status, added.alias) == (CredentialKind.MTLS_CERTIFICATE, Status.ACTIVE, "partner")
    assert (added.environment, added.client_id) == (SANDBOX, mtls_shop.project.environments[0].client_id)
    assert (added.owner_id, added.slot, added.provenance) == (mtls_shop.owner.user.id, None, None)
    assert (len(added.id), added.id.count("-")) == (36, 4)


def test_about_13_months_and_never_past_the_issuer(mtls_shop: Shop) -> None:
    assert add(mtls_shop).not_after == add_months(mtls_shop.stage.now, 13) - SECOND

    end = issuing_authority(mtls_shop.stage.platform, SANDBOX).not_valid_after_utc
    mtls_shop.stage.clock.set(end - 30 * DAY)

    assert add(mtls_shop).not_after == end


def test_its_serial_and_bytes_are_on_record(mtls_shop: Shop) -> None:
    added = add(mtls_shop)
    certificate = x509.load_der_x509_certificate(added.certificate_der)

    (row,) = [each for each in mtls_shop.stage.rows(serials) if each.credential_id == added.id]
    assert (row.serial_hex, row.state, row.der) == (f"{certificate.serial_number:x}", "ISSUED", added.certificate_der)


def test_p_384_is_taken_which_no_signing_key_may_have(mtls_shop: Shop) -> None:
    added = add(mtls_shop, named("client", ec.generate_private_key(ec.SECP384R1())))

    assert added.key_algorithm == "EC-P384"


def test_an_addition_takes_no_change_number(mtls_shop: Shop) -> None:
    before = mtls_shop.stage.rows(changes)

    add(mtls_shop)

    assert mtls_shop.stage.rows(changes) == before


def test_an_oauth_2_0_project_takes_certificates_beside_its_3_keys(oauth2_shop: Shop) -> None:
    for _ in range(2):
        oauth2_shop.add()

    assert add(oauth2_shop).kind is CredentialKind.MTLS_CERTIFICATE


def test_an_oauth_1_0a_project_takes_none(shop: Shop) -> None:
    refusal = shop.refused("certificate.add", Code.KEY_TYPE, certificates.add_by_csr, shop.stage.new_request(), None)

    assert "it uses signing keys" in refusal.message


def test_an_mtls_project_takes_no_signing_key(mtls_shop: Shop) -> None:
    mtls_shop.refused("key.add", Code.KEY_TYPE, oauth_keys.add_by_csr, mtls_shop.stage.new_key(), None)


# ----------------------------------------------------------------------------------------------- whose a subject is


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("Example-1682563200", id="case"),
        pytest.param("  example-1682563200 ", id="blanks around it"),
        pytest.param("ｅｘａｍｐｌｅ-1682563200", id="compatible characters"),
    ],
)
def test_the_subject_of_another_certificate_is_refused_however_it_is_spelt(mtls_shop: Shop, other: str) -> None:
    add(mtls_shop, named("example-1682563200"))

    refusal = mtls_shop.refused("certificate.add", Code.DUPLICATE_SUBJECT, certificates.add_by_csr, named(other), None)

    assert refusal.message.startswith("Duplicate certificate: the Distinguished Name (DN) is not unique")
    assert "from example-1682563200 to example-1682566800" in refusal.message


def test_a_changed_cn_is_another_subject(mtls_shop: Shop) -> None:
    add(mtls_shop, named("example-1682563200"))

    add(mtls_shop, named("example-1682566800"))


def test_a_subject_stays_taken_after_revocation_and_end_and_for_everybody_in_the_same_words(
    mtls_shop: Shop, stage: Stage
) -> None:
    held, other = add(mtls_shop, named("example")), Shop(stage, mtls_shop.project.type)
    revoke(mtls_shop, held)
    stage.clock.set(held.not_after + DAY)

    owner = stage.token(mtls_shop.owner.user, mtls_shop.organization)
    stranger = stage.token(other.owner.user, other.organization)
    ask = ("certificate.add", Code.DUPLICATE_SUBJECT, certificates.add_by_csr)
    own = stage.refused(*ask, owner, mtls_shop.project.id, named("example"), None)
    foreign = stage.refused(*ask, stranger, other.project.id, named("example"), None)

    assert own.message == foreign.message


def test_the_other_environment_has_subjects_of_its_own(mtls_shop: Shop) -> None:
    add(mtls_shop, named("example"))
    new = NewEnvironment(PRODUCTION, named("example"))

    view = mtls_shop.done("environment.add", projects.add_environment, new)

    assert {each.environment for each in view.credentials} == {SANDBOX, PRODUCTION}


def test_an_operator_releases_the_subject_of_a_revoked_certificate(mtls_shop: Shop) -> None:
    stage, held = mtls_shop.stage, add(mtls_shop, named("example"))
    release = (certificates.release_subject, OPERATOR, held.id)
    stage.refused("certificate.subject.release", Code.NOT_ACTIVE, *release)
    revoke(mtls_shop, held)

    assert stage.done("certificate.subject.release", *release) == "CN=example"

    stage.refused("certificate.subject.release", Code.NOT_FOUND, *release)
    assert add(mtls_shop, named("example")).id != held.id


def test_nobody_but_an_operator_releases_a_subject(mtls_shop: Shop) -> None:
    held = add(mtls_shop)

    mtls_shop.stage.refused(
        "certificate.subject.release", Code.FORBIDDEN, certificates.release_subject, mtls_shop.owner.actor, held.id
    )


def test_what_is_no_certificate_has_no_subject_to_release(shop: Shop) -> None:
    shop.stage.refused(
        "certificate.subject.release", Code.CREDENTIAL_NOT_FOUND, certificates.release_subject, OPERATOR, shop.key.id
    )


# --------------------------------------------------------------------------------------------------- whose a key is


def test_a_project_may_certify_its_own_key_again(mtls_shop: Shop) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    assert add(mtls_shop, named("one", key)).spki_sha256 == add(mtls_shop, named("two", key)).spki_sha256


def test_the_key_of_another_project_is_refused(mtls_shop: Shop, stage: Stage) -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), Shop(stage, mtls_shop.project.type)
    add(mtls_shop, named("one", key))

    other.refused("certificate.add", Code.DUPLICATE_KEY, certificates.add_by_csr, named("two", key), None)


def test_a_signing_key_of_another_project_is_refused_and_the_project_s_own_is_taken(
    oauth2_shop: Shop, stage: Stage
) -> None:
    own, other = oauth2_shop, Shop(stage, oauth2_shop.project.type)

    assert add(own, NewRequest("same key", request(0))).spki_sha256 == own.key.spki_sha256
    other.refused("certificate.add", Code.DUPLICATE_KEY, certificates.add_by_csr, NewRequest("x", request(0)), None)


def test_the_key_of_a_certificate_signs_for_no_other_project(oauth2_shop: Shop, stage: Stage) -> None:
    add(oauth2_shop, NewRequest("client", ec_request(7)))
    other = Shop(stage, oauth2_shop.project.type)

    other.refused("key.add", Code.DUPLICATE_KEY, oauth_keys.add_by_csr, NewKey("x", ec_request(7)), None)
    oauth2_shop.done("key.add", oauth_keys.add_by_csr, NewKey("x", ec_request(7)), None)


# ------------------------------------------------------------------------------------------------ brought along


def test_a_certificate_of_a_trusted_authority_is_taken_as_it_is(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    trusted = foreign.trust()
    leaf = foreign.leaf("partner-1750000000", ends=100 * DAY)

    held = bring(mtls_shop, NewCertificate("partner", pem(leaf), pem(foreign.issuing)))

    assert look(mtls_shop, held) == held
    assert held.certificate_der == leaf.public_bytes(Encoding.DER)
    assert (held.not_before, held.not_after) == (leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    assert held.provenance is not None
    assert held.provenance.trusted_authority_id == trusted
    assert held.provenance.chain == tuple(each.public_bytes(Encoding.DER) for each in (foreign.issuing, foreign.root))


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_pem_and_der_are_read(mtls_shop: Shop, form: Encoding) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()
    new = NewCertificate("x", foreign.leaf().public_bytes(form), foreign.issuing.public_bytes(form))

    assert bring(mtls_shop, new).kind is CredentialKind.MTLS_CERTIFICATE


def test_one_of_our_own_authority_is_taken_too(mtls_shop: Shop) -> None:
    """An operator's own authority certifies elsewhere as well."""
    platform = mtls_shop.stage.platform
    with reading(platform.database.records) as connection:
        issuer = issuers.signing(platform, connection, SANDBOX)
    us, client = Party("us"), Party("client")
    assert isinstance(issuer.private_key, ec.EllipticCurvePrivateKey)
    us.key, us.name = issuer.private_key, issuer.certificate.subject
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(us.key.public_key())
    leaf = us.certify(client, extensions=((CLIENT, False), (identifier, False)))

    held = bring(mtls_shop, NewCertificate("x", pem(leaf)))

    assert held.provenance is not None
    assert held.provenance.trusted_authority_id is None
    assert held.provenance.chain[0] == issuer.certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param({"ends": -SECOND}, "ended on", id="expired"),
        pytest.param({"begins": DAY}, "is not valid before", id="not yet valid"),
        pytest.param({"ca": True}, "CA:TRUE", id="an authority's"),
        pytest.param({"extensions": ((SERVER, False),)}, "lacks clientAuth", id="a server's"),
    ],
)
def test_a_certificate_that_serves_no_client_is_refused(mtls_shop: Shop, said: dict[str, Any], words: str) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()

    refusal = mtls_shop.refused(
        "certificate.add", Code.INVALID_CERTIFICATE, certificates.add_issued_elsewhere, foreign.new(**said), None
    )

    assert words in refusal.message
    assert refusal.field == "certificate"


def test_no_extended_key_usage_is_good_for_everything(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()

    bring(mtls_shop, foreign.new(extensions=()))


def test_an_authority_is_trusted_in_its_environment_alone_and_until_it_is_disabled(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust(PRODUCTION)
    arguments = (certificates.add_issued_elsewhere, foreign.new("client"), None)
    mtls_shop.refused("certificate.add", Code.INVALID_CERTIFICATE, *arguments)
    trusted = foreign.trust(SANDBOX)
    held = bring(mtls_shop, foreign.new("client"))
    foreign.distrust(trusted)

    mtls_shop.refused(
        "certificate.add", Code.INVALID_CERTIFICATE, certificates.add_issued_elsewhere, foreign.new("other"), None
    )
    assert look(mtls_shop, held) == held


def test_what_its_authority_has_revoked_is_refused_by_the_list_that_was_found(mtls_shop: Shop) -> None:
    foreign, now = Foreign(mtls_shop.stage), mtls_shop.stage.now
    trusted = foreign.trust()
    revoked, good = foreign.new("revoked"), foreign.new("good")
    serial = x509.load_pem_x509_certificate(revoked.certificate).serial_number
    listed = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(foreign.middle.name)
        .last_update(now - DAY)
        .next_update(now + DAY)
        .add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY).build()
        )
        .add_extension(x509.CRLNumber(1), critical=False)
        .sign(foreign.middle.key, SHA256())
    )
    found = ForeignList(AuthorityId(trusted), "http://x", listed.public_bytes(Encoding.DER), now + DAY, now, "")
    with writing(mtls_shop.stage.platform.database.records) as connection:
        trusted_authorities.keep_list(connection, found)

    refusal = mtls_shop.refused(
        "certificate.add", Code.INVALID_CERTIFICATE, certificates.add_issued_elsewhere, revoked, None
    )

    assert "has revoked it" in refusal.message
    bring(mtls_shop, good)


def test_the_trusted_authorities_of_an_environment_are_listed_without_our_own(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    trusted = foreign.trust()

    (listed,) = mtls_shop.looked(certificates.list_trusted, SANDBOX)

    assert (listed.trusted_authority_id, listed.name) == (trusted, "Foreign Root")
    assert mtls_shop.looked(certificates.list_trusted, PRODUCTION) == ()


def test_renewing_outside_needs_another_dn(mtls_shop: Shop) -> None:
    """Seed 003: renewing expiring certificates obtained outside."""
    foreign, client = Foreign(mtls_shop.stage), Party("example-1682563200")
    foreign.trust()
    held = bring(mtls_shop, foreign.new(client))

    refusal = mtls_shop.refused(
        "certificate.add", Code.DUPLICATE_SUBJECT, certificates.add_issued_elsewhere, foreign.new(client), None
    )
    renewed = bring(mtls_shop, replace(foreign.new("example-1682566800"), predecessor_id=held.id))

    assert "Duplicate certificate" in refusal.message
    assert renewed.predecessor_id == held.id


def test_the_very_certificate_is_not_taken_twice_even_when_its_subject_is_released(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()
    new = foreign.new("client")
    held = bring(mtls_shop, new)
    revoke(mtls_shop, held)
    mtls_shop.stage.done("certificate.subject.release", certificates.release_subject, OPERATOR, held.id)

    refusal = mtls_shop.refused("certificate.add", Code.DUPLICATE_SUBJECT, certificates.add_issued_elsewhere, new, None)

    assert "this very certificate" in refusal.message


# ---------------------------------------------------------------------------------------------- a policy for subjects


def with_policy(shop: Shop, text: str) -> None:
    shop.stage.with_policy(subject_policies={SANDBOX: subject_policy.parse(text)})


def test_an_operator_s_policy_is_obeyed_by_requests_and_by_what_is_brought_along(mtls_shop: Shop) -> None:
    with_policy(mtls_shop, "CN=<unique>-Client-<ENV>-<CID>")
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()

    wrong = mtls_shop.refused("certificate.add", Code.INVALID_CSR, certificates.add_by_csr, named("billing"), None)
    brought = mtls_shop.refused(
        "certificate.add", Code.INVALID_CERTIFICATE, certificates.add_issued_elsewhere, foreign.new("billing"), None
    )

    assert wrong.message == brought.message
    assert "CN is 'billing'; in SANDBOX it has to be '<unique>-Client-MTF-000000'" in wrong.message
    add(mtls_shop, named("1682563200-Client-MTF-000000"))
    bring(mtls_shop, foreign.new("1682566800-Client-MTF-000000"))


def test_a_policy_names_company_and_project(mtls_shop: Shop) -> None:
    with_policy(mtls_shop, "O=<company>, OU=<project>")
    organization, project = mtls_shop.organization.name, mtls_shop.project.name
    key = ec.generate_private_key(ec.SECP256R1())
    fitting = csr.build(key, common_name="x", organization=organization, organizational_unit=project)

    refusal = mtls_shop.refused("certificate.add", Code.INVALID_CSR, certificates.add_by_csr, named("x", key), None)

    assert f"O is missing; in SANDBOX it has to be '{organization}'" in refusal.message
    assert f"OU is missing; in SANDBOX it has to be '{project}'" in refusal.message
    add(mtls_shop, NewRequest("x", fitting))


# -------------------------------------------------------------------------------------- projects that begin with one


def test_a_project_of_type_mtls_begins_with_a_certificate_of_a_trusted_authority(mtls_shop: Shop) -> None:
    stage, foreign = mtls_shop.stage, Foreign(mtls_shop.stage)
    foreign.trust(PRODUCTION)
    new = stage.new_project(mtls_shop.project.type, environment=PRODUCTION, credential=foreign.new())

    view = stage.done("project.create", projects.create, mtls_shop.owner.actor, mtls_shop.organization.id, new)

    (held,) = view.credentials
    assert (held.kind, held.environment) == (CredentialKind.MTLS_CERTIFICATE, PRODUCTION)
    assert held.provenance is not None


def test_a_project_whose_first_certificate_is_refused_is_not_made(mtls_shop: Shop) -> None:
    stage, foreign = mtls_shop.stage, Foreign(mtls_shop.stage)
    new = stage.new_project(mtls_shop.project.type, credential=foreign.new())

    stage.refused(
        "project.create",
        Code.INVALID_CERTIFICATE,
        projects.create,
        mtls_shop.owner.actor,
        mtls_shop.organization.id,
        new,
    )


def test_an_environment_begins_with_a_certificate_of_a_trusted_authority(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust(PRODUCTION)

    view = mtls_shop.done("environment.add", projects.add_environment, NewEnvironment(PRODUCTION, foreign.new()))

    assert {each.environment for each in view.credentials} == {SANDBOX, PRODUCTION}


def test_deleting_a_project_revokes_its_certificates(mtls_shop: Shop) -> None:
    held = add(mtls_shop)

    mtls_shop.done("project.delete", projects.delete)

    (row,) = [each for each in mtls_shop.stage.rows(certificate_subjects) if each.credential_id == held.id]
    assert row.subject == "O=Acme, CN=client 1"
    mtls_shop.refused("certificate.view", Code.PROJECT_NOT_FOUND, certificates.get, held.id)


# ----------------------------------------------------------------------------------------------------------- revoke


def test_a_revoked_certificate_is_revoked_and_the_gates_are_told(mtls_shop: Shop) -> None:
    before = {row.number for row in mtls_shop.stage.rows(changes)}

    revoked = revoke(mtls_shop, mtls_shop.key)

    assert revoked.credential == look(mtls_shop, mtls_shop.key)
    assert (revoked.credential.status, revoked.credential.revoked_reason) == (Status.REVOKED, "replaced")
    told = [(row.kind, row.subject) for row in mtls_shop.stage.rows(changes) if row.number not in before]
    assert told == [("credential", mtls_shop.key.id)]


def test_the_last_certificate_is_revoked_only_by_who_says_so(mtls_shop: Shop) -> None:
    arguments = (certificates.revoke, mtls_shop.key.id)

    refusal = mtls_shop.refused(
        "certificate.revoke", Code.LAST_ACTIVE_CREDENTIAL, *arguments, keep_last=True, reason=""
    )
    assert "last active certificate" in refusal.message
    add(mtls_shop)
    mtls_shop.done("certificate.revoke", *arguments, keep_last=True, reason="")


def test_a_certificate_is_neither_renewed_nor_rotated(mtls_shop: Shop) -> None:
    mtls_shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, mtls_shop.key.id)
    mtls_shop.refused("key.rotate", Code.NOT_RENEWABLE, oauth_keys.rotate, mtls_shop.key.id, mtls_shop.stage.new_key())


# ---------------------------------------------------------------------------------------------------------- find


def test_certificates_are_listed_apart_from_keys(oauth2_shop: Shop) -> None:
    every = sorted(add(oauth2_shop).id for _ in range(3))
    page = oauth2_shop.looked(certificates.list_page, limit=2)
    rest = oauth2_shop.looked(certificates.list_page, after=page[-1].id, limit=2)

    assert [each.id for each in page + rest] == every
    assert [each.id for each in oauth2_shop.looked(oauth_keys.list_page, limit=9)] == [oauth2_shop.key.id]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("till-7", ["seven"]),
        ("CN=TILL-7", ["seven"]),
        ("cn = till-7, o = baker", ["seven"]),
        ("O=Baker", ["eight", "seven"]),
        ("sev", ["seven"]),  # of the alias
        ("CN=till-7,O=Other", []),
        ("CN=till-_", []),
        ("%", []),
    ],
)
def test_certificates_are_found_by_alias_and_by_parts_of_their_subject(
    mtls_shop: Shop, text: str, wanted: list[str]
) -> None:
    for alias, name in (("seven", "till-7"), ("eight", "till-8")):
        request = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=name, organization="Baker")
        add(mtls_shop, NewRequest(alias, request))

    query = KeyQuery(SANDBOX, text=text, order=KeyOrder.ALIAS, limit=5)
    searched = [each.alias for each in mtls_shop.looked(certificates.search_page, query)]
    listed = [each.alias for each in mtls_shop.looked(certificates.list_page, text=text, limit=5)]

    assert (searched, sorted(listed)) == (wanted, wanted)


def test_certificates_are_found_by_their_id_in_any_length(mtls_shop: Shop) -> None:
    added = add(mtls_shop)

    admin = mtls_shop.stage.member(mtls_shop.organization, OrganizationRole.ADMIN)

    for text in (added.id, added.id.upper(), added.id[:13], added.id[:9], added.id.replace("-", "")):
        everywhere = mtls_shop.stage.looked(search.find, admin.actor, mtls_shop.organization.id, text)
        assert [each.id for each in mtls_shop.looked(certificates.list_page, text=text, limit=5)] == [added.id]
        assert [each.id for each in everywhere.keys] == [added.id]


def test_a_certificate_that_was_brought_is_found_by_its_subject(mtls_shop: Shop) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()
    brought = bring(mtls_shop, foreign.new("till-9"))

    found = mtls_shop.looked(certificates.list_page, text="CN=till-9", limit=5)

    assert [each.id for each in found] == [brought.id]


def test_a_certificate_is_seen_with_its_chain_and_what_it_follows(mtls_shop: Shop) -> None:
    new = replace(mtls_shop.stage.new_request(), predecessor_id=mtls_shop.key.id)
    added = add(mtls_shop, new)

    found = mtls_shop.looked(certificates.get_in_context, added.id)
    before = mtls_shop.looked(certificates.get_in_context, mtls_shop.key.id)

    chain = [x509.load_der_x509_certificate(each) for each in found.chain]
    chain[0].verify_directly_issued_by(chain[1])
    assert chain[0] == issuing_authority(mtls_shop.stage.platform, SANDBOX)
    assert (found.predecessor, found.other_active) == (mtls_shop.key, 1)
    assert before.successors == (added,)


def test_a_certificate_follows_one_of_its_own_environment_alone(mtls_shop: Shop, stage: Stage) -> None:
    for other in (Shop(stage, mtls_shop.project.type).key.id, CredentialId("nothing")):
        new = replace(stage.new_request(), predecessor_id=other)

        refusal = mtls_shop.refused("certificate.add", Code.CREDENTIAL_NOT_FOUND, certificates.add_by_csr, new, None)
        assert refusal.field == "predecessorId"


def test_a_revoked_certificate_is_not_replaced(mtls_shop: Shop) -> None:
    mtls_shop.done("certificate.revoke", certificates.revoke, mtls_shop.key.id, keep_last=False, reason="")
    new = replace(mtls_shop.stage.new_request(), predecessor_id=mtls_shop.key.id)

    mtls_shop.refused("certificate.add", Code.NOT_ACTIVE, certificates.add_by_csr, new, None)


def test_a_signing_key_is_not_replaced_by_a_certificate_nor_the_other_way_round(oauth2_shop: Shop) -> None:
    key, held = oauth2_shop.key.id, add(oauth2_shop)
    request = replace(oauth2_shop.stage.new_request(), predecessor_id=key)
    new = oauth2_shop.stage.new_key()

    found = Code.CREDENTIAL_NOT_FOUND
    oauth2_shop.refused("certificate.add", found, certificates.add_by_csr, request, None)
    oauth2_shop.refused("key.add", found, oauth_keys.add_by_csr, new, None, predecessor_id=held.id)


def test_a_signing_key_is_not_taken_for_a_certificate(oauth2_shop: Shop) -> None:
    held = add(oauth2_shop)

    oauth2_shop.refused("certificate.view", Code.CREDENTIAL_NOT_FOUND, certificates.get, oauth2_shop.key.id)
    oauth2_shop.refused("key.view", Code.CREDENTIAL_NOT_FOUND, oauth_keys.get, held.id)


# ----------------------------------------------------------------------------------------- who may, and how often


@pytest.mark.parametrize(
    ("action", "call", "rest"),
    [
        ("certificate.add", certificates.add_by_csr, lambda shop: (shop.stage.new_request(), None)),
        ("certificate.add", certificates.add_issued_elsewhere, lambda shop: (Foreign(shop.stage).new(), None)),
        ("certificate.revoke", certificates.revoke, lambda shop: (shop.key.id,)),
        ("certificate.view", certificates.get, lambda shop: (shop.key.id,)),
        ("certificate.list", certificates.list_page, lambda shop: ()),
    ],
)
def test_strangers_and_readers_are_refused(mtls_shop: Shop, action: str, call: Any, rest: Any) -> None:
    options: dict[str, dict[str, Any]] = {
        "certificate.revoke": {"keep_last": False, "reason": ""},
        "certificate.list": {"limit": 9},
    }
    stage, elsewhere = mtls_shop.stage, mtls_shop.stage.organization()
    stranger, reader = stage.member(elsewhere), stage.member(mtls_shop.organization, OrganizationRole.USER)
    project_members.set_role(
        stage.platform,
        mtls_shop.owner.actor,
        mtls_shop.project.id,
        email=reader.user.email,
        role=ProjectRole.READ_ONLY,
        now=stage.now,
    )
    arguments, asked = (mtls_shop.project.id, *rest(mtls_shop)), options.get(action, {})

    stage.refused(action, Code.PROJECT_NOT_FOUND, call, stranger.actor, *arguments, chain=elsewhere.id, **asked)
    if action in ("certificate.view", "certificate.list"):
        stage.looked(call, reader.actor, *arguments, **asked)
    else:
        stage.refused(
            action, Code.PROJECT_FORBIDDEN, call, reader.actor, *arguments, chain=mtls_shop.organization.id, **asked
        )


def test_a_subject_that_was_taken_between_the_two_transactions_ends_the_second(mtls_shop: Shop) -> None:
    """The narrowest place there is: both were told at their reservation that it is free."""
    platform, place = mtls_shop.stage.platform, (mtls_shop.owner.actor, mtls_shop.project.id)

    def be_faster(failpoint: str) -> None:
        if failpoint == "before_signature":
            certificates.add_by_csr(platform, *place, named("example"), None, now=mtls_shop.stage.now)

    with pytest.raises(Refusal, match="Duplicate certificate"):
        certificates.add_by_csr(
            replace(platform, failpoint=be_faster), *place, named("example"), None, now=mtls_shop.stage.now
        )

    assert sorted(row.state for row in mtls_shop.stage.rows(serials)) == ["ABANDONED", "ISSUED", "ISSUED"]
