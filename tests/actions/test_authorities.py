"""Our own authorities: rolled over without breaking anybody, imported, and with keys in tokens."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, issuing_authority, new_platform
from tests.adapters.tokens import MODULE, SoftToken
from tests.protocol.authorities import Party, key_usage

from credenza.actions import authorities, oauth_keys, revocation_lists
from credenza.actions.authorities import AuthorityView, OwnAuthority
from credenza.actions.certificate_status import CertificateStatus
from credenza.actions.issuers import OpenKeys
from credenza.adapters.key_token import KeyAway
from credenza.adapters.pkcs11 import Pkcs11Tokens
from credenza.domain.access import Action
from credenza.domain.errors import Code
from credenza.protocol import certificate_path, crl
from credenza.store.schema import changes

SIGNS = (key_usage("key_cert_sign", "crl_sign"), True)


def views(shop: Shop, state: str) -> list[AuthorityView]:
    found = shop.stage.looked(authorities.list_all, OPERATOR)
    return [each for each in found if each.state == state and each.authority.environment is SANDBOX]


def loaded(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def published(shop: Shop) -> list[x509.Certificate]:
    return [loaded(der) for der in authorities.chains(shop.stage.platform, SANDBOX, now=shop.stage.now)]


def good(shop: Shop, der: bytes, issuer: x509.Certificate) -> str:
    request = ocsp.OCSPRequestBuilder().add_certificate(loaded(der), issuer, SHA1()).build()
    answer = CertificateStatus(shop.stage.platform).answer(request.public_bytes(Encoding.DER), now=shop.stage.now)
    return ocsp.load_der_ocsp_response(answer.der).certificate_status.name


def trust_changes(shop: Shop) -> int:
    return len([row for row in shop.stage.rows(changes) if row.kind == "trust"])


def test_the_next_authority_is_published_and_trusted_before_it_signs(shop: Shop) -> None:
    before = issuing_authority(shop.stage.platform, SANDBOX)

    made = shop.stage.done("authority.make", authorities.publish_next, OPERATOR, SANDBOX)

    following = loaded(made.authority.certificate_der)
    assert made.state == "next"
    assert {before, following} <= set(published(shop))
    assert issuing_authority(shop.stage.platform, SANDBOX) == before
    assert following.issuer == before.issuer != following.subject
    assert trust_changes(shop) == 1


def test_whom_the_old_authority_and_whom_the_new_one_certified_are_both_good(shop: Shop) -> None:
    old = issuing_authority(shop.stage.platform, SANDBOX)
    shop.stage.done("authority.make", authorities.publish_next, OPERATOR, SANDBOX)
    signs = shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)
    new = issuing_authority(shop.stage.platform, SANDBOX)
    later = shop.add()

    assert (signs.state, [each.state for each in views(shop, "retired")]) == ("signs", ["retired"])
    for key, issuer in ((shop.key, old), (later, new)):
        leaf = loaded(key.certificate_der)
        leaf.verify_directly_issued_by(issuer)
        assert certificate_path.prove(leaf, [old, new], published(shop)[:1], now=shop.stage.now)
        assert good(shop, key.certificate_der, issuer) == "GOOD"
    assert trust_changes(shop) == 2


def test_lists_and_answers_of_a_retired_authority_go_on(shop: Shop) -> None:
    old = issuing_authority(shop.stage.platform, SANDBOX)
    shop.stage.done("authority.make", authorities.publish_next, OPERATOR, SANDBOX)
    shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)
    shop.revoke(shop.key)
    (retired,) = views(shop, "retired")

    revocation_lists.sign_due(shop.stage.platform, now=shop.stage.now)

    found = revocation_lists.get(shop.stage.platform, retired.authority.id, now=shop.stage.now)
    assert loaded(shop.key.certificate_der).serial_number in crl.read(found.der, old, now=shop.stage.now).revoked
    assert good(shop, shop.key.certificate_der, old) == "REVOKED"


def test_another_process_signs_with_the_new_authority_at_once(shop: Shop) -> None:
    other = new_platform(shop.stage.platform.database, now=shop.stage.now)
    shop.stage.done("authority.make", authorities.publish_next, OPERATOR, SANDBOX)
    shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)

    key = oauth_keys.add_by_csr(
        other, shop.owner.actor, shop.project.id, shop.stage.new_key(), SANDBOX, now=shop.stage.now
    )

    loaded(key.certificate_der).verify_directly_issued_by(issuing_authority(other, SANDBOX))


def test_what_was_reserved_under_the_old_authority_is_signed_by_it(shop: Shop) -> None:
    old = issuing_authority(shop.stage.platform, SANDBOX)

    def roll_over(failpoint: str) -> None:
        if failpoint == "before_signature":
            authorities.publish_next(shop.stage.platform, OPERATOR, SANDBOX, now=shop.stage.now)
            authorities.let_next_sign(shop.stage.platform, OPERATOR, SANDBOX, now=shop.stage.now)

    platform = new_platform(shop.stage.platform.database, now=shop.stage.now, failpoint=roll_over)
    key = oauth_keys.add_by_csr(
        platform, shop.owner.actor, shop.project.id, shop.stage.new_key(), SANDBOX, now=shop.stage.now
    )

    loaded(key.certificate_der).verify_directly_issued_by(old)


def test_there_is_one_next_authority_at_a_time(shop: Shop) -> None:
    shop.stage.done("authority.make", authorities.publish_next, OPERATOR, SANDBOX)

    for make in (authorities.publish_next, authorities.start_anew):
        shop.stage.refused("authority.make", Code.DUPLICATE_NAME, make, OPERATOR, SANDBOX)
    shop.stage.done("authority.make", authorities.publish_next, OPERATOR, PRODUCTION)


def test_without_a_next_authority_none_is_made_to_sign(shop: Shop) -> None:
    shop.stage.refused("authority.sign", Code.NOT_FOUND, authorities.let_next_sign, OPERATOR, SANDBOX)


def test_a_new_root_is_published_with_the_authority_below_it(shop: Shop) -> None:
    root = loaded(authorities.certificate_of(shop.stage.platform, SANDBOX, authorities.Role.ROOT))
    made = shop.stage.done("authority.make", authorities.start_anew, OPERATOR, SANDBOX)
    shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)

    new_root = loaded(authorities.certificate_of(shop.stage.platform, SANDBOX, authorities.Role.ROOT))

    loaded(made.authority.certificate_der).verify_directly_issued_by(new_root)
    assert new_root != root
    assert {root, new_root} <= set(published(shop))
    shop.stage.done("authority.make", authorities.publish_next, OPERATOR, SANDBOX)


def test_only_operators_see_and_change_authorities(shop: Shop) -> None:
    shop.stage.refused("authority.list", Code.FORBIDDEN, authorities.list_all, shop.owner.actor)
    for action, call in (
        (Action.AUTHORITY_MAKE, authorities.publish_next),
        (Action.AUTHORITY_SIGN, authorities.let_next_sign),
    ):
        shop.stage.refused(action, Code.FORBIDDEN, call, shop.owner.actor, SANDBOX)


def test_an_authority_is_viewed_by_its_id(shop: Shop) -> None:
    (signs,) = views(shop, "signs")

    found = shop.stage.looked(authorities.get, OPERATOR, signs.authority.id)

    assert found == signs
    assert found.places.revocation_list.endswith(f"/pki/authorities/{signs.authority.id}.crl")
    shop.stage.refused("authority.list", Code.NOT_FOUND, authorities.get, OPERATOR, "none")


# An operator's own


def identified(key: Any) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


class Company:
    """Whose root certifies an issuing authority of its own."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None, **said: Any) -> None:
        self.root_party, self.party = Party("Acme Root"), Party("Acme Partners", key)
        self.root = self.root_party.root(extensions=[SIGNS])
        extensions = said.pop("extensions", [SIGNS, identified(self.party.key)])
        wanted = {"ca": True, "ends": timedelta(days=3650), "extensions": extensions, **said}
        self.issuing = self.root_party.certify(self.party, **wanted)

    def own(self, **other: Any) -> OwnAuthority:
        pkcs8 = self.party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return OwnAuthority(**{"certificates": pem(self.issuing, self.root), "private_key": pkcs8, **other})


def test_an_imported_authority_signs_after_a_roll_over(shop: Shop, rsa_key_of_a_company: rsa.RSAPrivateKey) -> None:
    for environment, key in ((SANDBOX, None), (PRODUCTION, rsa_key_of_a_company)):
        company = Company(key)
        made = shop.stage.done("authority.import", authorities.import_next, OPERATOR, environment, company.own())
        assert made.state == "next"
        shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, environment)

        assert issuing_authority(shop.stage.platform, environment) == company.issuing
        root = authorities.certificate_of(shop.stage.platform, environment, authorities.Role.ROOT)
        assert loaded(root) == company.root

    added = shop.add()
    later = new_platform(shop.stage.platform.database, now=shop.stage.now)
    loaded(added.certificate_der).verify_directly_issued_by(issuing_authority(later, SANDBOX))
    assert good(shop, added.certificate_der, issuing_authority(later, SANDBOX)) == "GOOD"
    assert len(revocation_lists.sign_due(shop.stage.platform, now=shop.stage.now)) == 6


@pytest.fixture(scope="module")
def rsa_key_of_a_company() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def test_a_key_is_read_as_pem_der_and_pkcs12_with_and_without_a_password(shop: Shop) -> None:
    company = Company()
    key, secret = company.party.key, b"correct horse"
    forms = (
        (key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), b""),
        (key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), b""),
        (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret)), secret),
        (pkcs12.serialize_key_and_certificates(b"ca", key, None, None, BestAvailableEncryption(secret)), secret),
    )
    for number, (private_key, password) in enumerate(forms):
        made = shop.stage.done(
            "authority.import",
            authorities.import_next,
            OPERATOR,
            SANDBOX,
            company.own(private_key=private_key, password=password),
        )
        assert made.authority.has_key
        shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)
        assert len(views(shop, "above")) == 1, number


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"ca": False}, "lacks CA:TRUE"),
        ({"extensions": [(key_usage("crl_sign"), True)]}, "keyCertSign"),
        ({"extensions": [(key_usage("key_cert_sign"), True)]}, "cRLSign"),
        ({"extensions": [SIGNS]}, "no subject key identifier"),
        ({"ends": timedelta(hours=-1)}, "and not now"),
        ({"begins": timedelta(hours=1)}, "and not now"),
        (
            {"extensions": [SIGNS, (x509.NameConstraints([x509.DirectoryName(x509.Name([
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme")]))], None), True)]},
            "constrains subjects",
        ),
    ],
)  # fmt: skip
def test_an_authority_that_could_not_do_its_work_is_not_imported(shop: Shop, said: dict[str, Any], words: str) -> None:
    refusal = shop.stage.refused(
        "authority.import", Code.INVALID, authorities.import_next, OPERATOR, SANDBOX, Company(**said).own()
    )

    assert words in refusal.message


def test_a_path_length_that_leaves_no_room_is_refused(shop: Shop) -> None:
    company = Company()
    company.root = company.root_party.root(path_length=0, extensions=[SIGNS])

    refusal = shop.stage.refused(
        "authority.import", Code.INVALID, authorities.import_next, OPERATOR, SANDBOX, company.own()
    )

    assert "allows 0 authorities" in refusal.message


@pytest.mark.parametrize("wrong", ["another key", "no key", "nonsense", "both", "wrong password", "no chain"])
def test_keys_and_chains_that_do_not_fit_are_refused_and_never_named(shop: Shop, wrong: str) -> None:
    company, secret = Company(), b"correct horse"
    sealed = company.party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret))
    own = {
        "another key": company.own(private_key=Company().own().private_key),
        "no key": company.own(private_key=b""),
        "nonsense": company.own(private_key=b"nonsense"),
        "both": company.own(key_uri="pkcs11:token=a;object=b"),
        "wrong password": company.own(private_key=sealed, password=b"battery staple"),
        "no chain": company.own(certificates=pem(company.issuing, Company().root)),
    }[wrong]

    refusal = shop.stage.refused("authority.import", Code.INVALID, authorities.import_next, OPERATOR, SANDBOX, own)

    assert "battery" not in refusal.message


def test_below_an_imported_root_the_next_one_is_imported_too(shop: Shop) -> None:
    shop.stage.done("authority.import", authorities.import_next, OPERATOR, SANDBOX, Company().own())
    shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)

    refusal = shop.stage.refused("authority.make", Code.INVALID, authorities.publish_next, OPERATOR, SANDBOX)

    assert "ca import" in refusal.message


# Keys in tokens


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    monkeypatch.setenv("SOFTHSM2_CONF", "")
    return SoftToken(tmp_path)


def with_token(shop: Shop, token: SoftToken) -> None:
    """The same platform, on a machine that has the token."""
    platform, reached = shop.stage.platform, Pkcs11Tokens(MODULE, token.pin_file)
    object.__setattr__(platform, "issuer_keys", OpenKeys(platform.vault, reached))


def test_an_authority_whose_key_is_in_a_token_certifies_and_its_key_is_nowhere_else(
    shop: Shop, token: SoftToken
) -> None:
    company = Company()
    with_token(shop, token)
    own = company.own(private_key=b"", key_uri=token.put(company.party.key, "issuing"))

    made = shop.stage.done("authority.import", authorities.import_next, OPERATOR, SANDBOX, own)
    shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)
    added = shop.add()
    shop.revoke(added)

    assert made.authority.wrapped_private_key == b""
    loaded(added.certificate_der).verify_directly_issued_by(company.issuing)
    assert good(shop, added.certificate_der, company.issuing) == "REVOKED"
    found = revocation_lists.get(shop.stage.platform, made.authority.id, now=shop.stage.now)
    assert len(crl.read(found.der, company.issuing, now=shop.stage.now).revoked) == 1


def test_another_key_in_the_token_is_not_taken(shop: Shop, token: SoftToken) -> None:
    with_token(shop, token)
    own = Company().own(private_key=b"", key_uri=token.put(Company().party.key, "issuing"))

    shop.stage.refused("authority.import", Code.INVALID, authorities.import_next, OPERATOR, SANDBOX, own)


def test_without_its_token_nothing_starts_and_nothing_is_certified(shop: Shop, token: SoftToken) -> None:
    company = Company()
    with_token(shop, token)
    uri = token.put(company.party.key, "issuing")
    own = company.own(private_key=b"", key_uri=uri)
    shop.stage.done("authority.import", authorities.import_next, OPERATOR, SANDBOX, own)
    shop.stage.done("authority.sign", authorities.let_next_sign, OPERATOR, SANDBOX)
    token.remove()
    with_token(shop, token)

    with pytest.raises(KeyAway):
        new_platform(shop.stage.platform.database, now=shop.stage.now)
    refusal = shop.refused("key.add", Code.ISSUER_AWAY, oauth_keys.add_by_csr, shop.stage.new_key(), SANDBOX)

    assert "Tell the operator" in refusal.message
    assert uri not in refusal.message
    token.bring_back()
    loaded(shop.add().certificate_der).verify_directly_issued_by(company.issuing)
