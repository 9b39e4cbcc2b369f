"""Authorities of others, and the revocation lists that they publish."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, Stage
from tests.protocol.authorities import NOW, Party, key_usage

from credenza.actions import certificates, foreign_lists, trusted_authorities
from credenza.actions.certificate_admission import NewCertificate
from credenza.actions.trusted_authorities import NewTrust, TrustView
from credenza.adapters.unfetched import NotFetched
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import ProjectType, Status
from credenza.store.schema import changes, foreign_revocation_lists

pytestmark = pytest.mark.anyio

URL = "http://pki.example.com/acme.crl"
ROOT_URL = "http://pki.example.com/root.crl"
SIGNS = (key_usage("key_cert_sign", "crl_sign"), True)


def listed_at(url: str) -> tuple[x509.ExtensionType, bool]:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point]), False


class Acme:
    """An authority of a partner's, with a list of its own."""

    def __init__(self) -> None:
        self.party = Party("Acme CA")
        self.root = self.party.root(extensions=[SIGNS])
        self.revoked: list[x509.Certificate] = []
        self.asked: list[str] = []
        self.away = False

    def new(self, **other: Any) -> NewTrust:
        return NewTrust(
            **{"environment": SANDBOX, "name": "Acme", "certificate": self.root.public_bytes(Encoding.PEM), **other}
        )

    def certify(self, name: str, url: str = URL) -> x509.Certificate:
        return self.party.certify(Party(name), extensions=[listed_at(url)])

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.away:
            raise NotFetched("The answer was 503.")
        return self.signed_by(self.party, self.revoked)

    def signed_by(self, party: Party, revoked: list[x509.Certificate]) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(party.name)
            .last_update(NOW - timedelta(hours=1))
            .next_update(NOW + timedelta(days=7))
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.serial_number).revocation_date(NOW).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(party.key, SHA256()).public_bytes(Encoding.DER)


class Layered(Acme):
    """The same with an authority between, whose own certificate the root may revoke."""

    def __init__(self) -> None:
        super().__init__()
        self.middle = Party("Acme Issuing")
        self.issuing = self.party.certify(self.middle, ca=True, extensions=[SIGNS, listed_at(ROOT_URL)])

    def certify(self, name: str, url: str = URL) -> x509.Certificate:
        return self.middle.certify(Party(name), extensions=[listed_at(url)])

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        return self.signed_by(self.party, self.revoked) if url == ROOT_URL else self.signed_by(self.middle, [])


@pytest.fixture
def acme() -> Acme:
    return Acme()


def added(stage: Stage, acme: Acme, **other: Any) -> TrustView:
    return stage.done("trust.add", trusted_authorities.add, OPERATOR, acme.new(**other))


def trust_changes(stage: Stage) -> list[str]:
    return [row.subject for row in stage.rows(changes) if row.kind == "trust"]


def test_an_authority_is_trusted_in_one_environment_and_the_gates_are_told(stage: Stage, acme: Acme) -> None:
    view = added(stage, acme)

    assert (view.trusted.environment, view.trusted.name, view.trusted.is_anchor) == (SANDBOX, "Acme", True)
    assert view.description.subject == "O=Acme, CN=Acme CA"
    assert trust_changes(stage) == [view.trusted.id]
    assert stage.looked(trusted_authorities.list_all, OPERATOR) == (view,)
    assert stage.looked(trusted_authorities.get, OPERATOR, view.trusted.id) == view
    assert added(stage, acme, environment=PRODUCTION).trusted.id != view.trusted.id


def test_an_authority_below_a_root_is_no_anchor_unless_the_operator_says_so(stage: Stage, acme: Acme) -> None:
    below = acme.party.certify(Party("Acme Issuing"), ca=True, extensions=[SIGNS]).public_bytes(Encoding.DER)
    other = acme.party.certify(Party("Acme Other"), ca=True, extensions=[SIGNS]).public_bytes(Encoding.DER)

    assert not added(stage, acme, certificate=below).trusted.is_anchor
    assert added(stage, acme, certificate=other, is_anchor=True).trusted.is_anchor


def test_an_authority_is_trusted_once(stage: Stage, acme: Acme) -> None:
    added(stage, acme)

    stage.refused("trust.add", Code.DUPLICATE_NAME, trusted_authorities.add, OPERATOR, acme.new())


@pytest.mark.parametrize(
    "other",
    [
        {"certificate": b"nonsense"},
        {"certificate": Party("x").certify(Party("y")).public_bytes(Encoding.PEM)},
        {"certificate": Party("x").root(ends=timedelta(hours=-1)).public_bytes(Encoding.PEM)},
        {"certificate": Party("x").root(extensions=[(key_usage("crl_sign"), True)]).public_bytes(Encoding.PEM)},
        {"name": " "},
        {"crl_url": "ldap://pki.example.com/acme"},
    ],
)
def test_what_cannot_be_trusted_is_refused(stage: Stage, acme: Acme, other: dict[str, Any]) -> None:
    stage.refused("trust.add", Code.INVALID, trusted_authorities.add, OPERATOR, acme.new(**other))


def test_an_authority_that_is_disabled_is_trusted_no_more_and_may_be_again(stage: Stage, acme: Acme) -> None:
    view = added(stage, acme)

    reach = stage.done("trust.disable", trusted_authorities.disable, OPERATOR, view.trusted.id)
    (disabled,) = stage.looked(trusted_authorities.list_all, OPERATOR)
    again = added(stage, acme, name="Acme again")

    assert (reach.gates, disabled.trusted.disabled_at) == (0, stage.now)
    assert (again.trusted.id, again.trusted.disabled_at) == (view.trusted.id, None)
    assert len(trust_changes(stage)) == 3


def test_only_operators_see_and_change_whom_the_platform_trusts(shop: Shop, acme: Acme) -> None:
    stage, actor = shop.stage, shop.owner.actor
    view = added(stage, acme)

    stage.refused(Action.TRUST_ADD, Code.FORBIDDEN, trusted_authorities.add, actor, acme.new())
    stage.refused(Action.TRUST_LIST, Code.FORBIDDEN, trusted_authorities.list_all, actor)
    stage.refused(Action.TRUST_DISABLE, Code.FORBIDDEN, trusted_authorities.disable, actor, view.trusted.id)
    stage.refused(
        Action.TRUST_CHANGE, Code.FORBIDDEN, trusted_authorities.check_revocation, actor, view.trusted.id,
        checks=True, crl_url="",
    )  # fmt: skip
    for call in (trusted_authorities.get, trusted_authorities.disable):
        action = Action.TRUST_LIST if call is trusted_authorities.get else Action.TRUST_DISABLE
        stage.refused(action, Code.NOT_FOUND, call, OPERATOR, "none")


# Their revocation lists


@pytest.fixture
def mtls_shop(stage: Stage) -> Shop:
    return Shop(stage, ProjectType.MTLS)


def bring(shop: Shop, leaf: x509.Certificate, *chain: x509.Certificate) -> Any:
    above = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    new = NewCertificate("brought", leaf.public_bytes(Encoding.PEM), above)
    return certificates.add_issued_elsewhere(
        shop.stage.platform, shop.owner.actor, shop.project.id, new, SANDBOX, now=shop.stage.now
    )


def check(shop: Shop, view: TrustView, **other: Any) -> None:
    named = {"checks": True, "crl_url": "", **other}
    shop.stage.done("trust.change", trusted_authorities.check_revocation, OPERATOR, view.trusted.id, **named)


async def looked(shop: Shop, acme: Acme) -> int:
    return await foreign_lists.look(shop.stage.platform, acme, now=shop.stage.now)


def status(shop: Shop, held: Any) -> Status:
    found = certificates.get(shop.stage.platform, shop.owner.actor, shop.project.id, held.id, now=shop.stage.now)
    return found.status


async def test_what_its_authority_has_revoked_is_revoked_here(mtls_shop: Shop, acme: Acme) -> None:
    check(mtls_shop, added(mtls_shop.stage, acme))
    gone, kept = acme.certify("gone"), acme.certify("kept")
    held, other = bring(mtls_shop, gone), bring(mtls_shop, kept)
    acme.revoked.append(gone)
    before = mtls_shop.stage.traces()

    assert await looked(mtls_shop, acme) == 1

    assert (status(mtls_shop, held), status(mtls_shop, other)) == (Status.REVOKED, Status.ACTIVE)
    assert mtls_shop.stage.new_traces(before) == [("certificate.revoke", "done", "")]
    assert held.id in [row.subject for row in mtls_shop.stage.rows(changes) if row.kind == "credential"]
    assert acme.asked == [URL]


async def test_with_an_authority_between_what_that_has_certified_is_revoked(mtls_shop: Shop) -> None:
    acme = Layered()
    check(mtls_shop, added(mtls_shop.stage, acme))
    held = bring(mtls_shop, acme.certify("till"), acme.issuing)
    assert await looked(mtls_shop, acme) == 0
    acme.revoked.append(acme.issuing)
    mtls_shop.stage.clock.advance(foreign_lists.LOOKED_EVERY)

    assert await looked(mtls_shop, acme) == 1

    assert status(mtls_shop, held) is Status.REVOKED
    assert sorted(acme.asked) == [URL, URL, ROOT_URL, ROOT_URL]
    with pytest.raises(Refusal, match="An authority above the certificate is revoked"):
        bring(mtls_shop, acme.certify("another"), acme.issuing)


def test_lists_are_looked_up_for_what_ends_at_an_anchor(mtls_shop: Shop, acme: Acme) -> None:
    below = acme.party.certify(Party("Acme Issuing"), ca=True, extensions=[SIGNS]).public_bytes(Encoding.DER)
    view, stage = added(mtls_shop.stage, acme, certificate=below), mtls_shop.stage

    change, named = trusted_authorities.check_revocation, {"checks": True, "crl_url": ""}
    stage.refused(Action.TRUST_CHANGE, Code.INVALID, change, OPERATOR, view.trusted.id, **named)
    new = acme.new(certificate=below, environment=PRODUCTION, checks_revocation=True)
    stage.refused(Action.TRUST_ADD, Code.INVALID, trusted_authorities.add, OPERATOR, new)


async def test_nothing_is_fetched_unless_the_operator_wants_it(mtls_shop: Shop, acme: Acme) -> None:
    view = added(mtls_shop.stage, acme)
    bring(mtls_shop, acme.certify("gone"))

    await looked(mtls_shop, acme)
    check(mtls_shop, view)
    await looked(mtls_shop, acme)
    check(mtls_shop, view, checks=False)
    mtls_shop.stage.clock.advance(foreign_lists.LOOKED_EVERY)
    await looked(mtls_shop, acme)

    assert acme.asked == [URL]


async def test_a_list_is_fetched_once_an_hour(mtls_shop: Shop, acme: Acme) -> None:
    check(mtls_shop, added(mtls_shop.stage, acme))
    bring(mtls_shop, acme.certify("kept"))

    for _ in range(3):
        await looked(mtls_shop, acme)
        mtls_shop.stage.clock.advance(foreign_lists.LOOKED_EVERY / 2)

    assert len(acme.asked) == 2


async def test_a_look_by_a_clock_that_was_a_year_ahead_puts_off_no_other(mtls_shop: Shop, acme: Acme) -> None:
    clock, right = mtls_shop.stage.clock, mtls_shop.stage.now
    check(mtls_shop, added(mtls_shop.stage, acme))
    bring(mtls_shop, acme.certify("kept"))
    clock.set(right + timedelta(days=300))
    await looked(mtls_shop, acme)

    clock.set(right)
    await looked(mtls_shop, acme)
    clock.set(right - timedelta(seconds=60))
    await looked(mtls_shop, acme)

    assert len(acme.asked) == 2


async def test_the_operator_may_say_where_the_list_is(mtls_shop: Shop, acme: Acme) -> None:
    check(mtls_shop, added(mtls_shop.stage, acme), crl_url="https://pki.example.org/there.crl")
    bring(mtls_shop, acme.certify("kept"))

    await looked(mtls_shop, acme)

    assert acme.asked == ["https://pki.example.org/there.crl"]


async def test_a_list_that_cannot_be_had_changes_nothing_and_is_looked_for_again(mtls_shop: Shop, acme: Acme) -> None:
    view = added(mtls_shop.stage, acme)
    check(mtls_shop, view)
    held = bring(mtls_shop, acme.certify("kept"))
    await looked(mtls_shop, acme)
    acme.away = True
    mtls_shop.stage.clock.advance(foreign_lists.LOOKED_EVERY)

    await looked(mtls_shop, acme)

    (row,) = mtls_shop.stage.rows(foreign_revocation_lists)
    assert (row.error, row.der is not None) == ("The answer was 503.", True)
    assert status(mtls_shop, held) is Status.ACTIVE
    mtls_shop.stage.clock.advance(foreign_lists.LOOKED_AGAIN)
    await looked(mtls_shop, acme)
    assert len(acme.asked) == 3


async def test_a_list_of_somebody_else_is_not_believed(mtls_shop: Shop, acme: Acme) -> None:
    check(mtls_shop, added(mtls_shop.stage, acme))
    leaf = acme.certify("kept")
    held = bring(mtls_shop, leaf)
    stranger = Acme()
    stranger.revoked.append(leaf)

    assert await looked(mtls_shop, stranger) == 0
    assert status(mtls_shop, held) is Status.ACTIVE


async def test_certificates_that_name_ever_other_places_make_us_read_twenty_at_most(
    mtls_shop: Shop, acme: Acme
) -> None:
    check(mtls_shop, added(mtls_shop.stage, acme))
    for number in range(23):
        bring(mtls_shop, acme.certify(f"partner {number}", f"http://pki.example.com/{number}.crl"))

    await looked(mtls_shop, acme)

    assert len(acme.asked) == 20


def test_one_node_at_a_time_fetches(stage: Stage) -> None:
    term = timedelta(minutes=1)

    assert foreign_lists.take_turn(stage.platform, "one", term=term, now=stage.now)
    assert not foreign_lists.take_turn(stage.platform, "two", term=term, now=stage.now)
    assert foreign_lists.take_turn(stage.platform, "two", term=term, now=stage.now + term)
