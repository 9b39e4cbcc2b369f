"""Whom handshakes trust: anchors of the environment that have not ended, and what these have issued."""

from datetime import timedelta

from cryptography import x509
from tests.clock import NOON
from tests.gate import certificate_scene
from tests.gate.certificate_scene import END, Party, foreign, issuing, own
from tests.gate.scene import PRODUCTION, SANDBOX, Scene

from credenza.domain.model import ChangeNumber
from credenza.gate.freshness import SqliteFreshness
from credenza.gate.trust import Trust
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.lookup import TrustedCertificate, TrustSnapshot


def trust_of(*certificates: TrustedCertificate) -> Trust:
    trust = Trust()
    trust.replace(TrustSnapshot(ChangeNumber(0), certificates))
    return trust


def trusted(trust: Trust) -> list[x509.Certificate]:
    return list(trust.certificates(SANDBOX, now=NOON))


def anchor(party: Party) -> TrustedCertificate:
    return TrustedCertificate(SANDBOX, party.der, True)


def between(party: Party) -> TrustedCertificate:
    return TrustedCertificate(SANDBOX, party.der, False)


ROOT, ISSUING = certificate_scene.root("A root"), issuing("A")


def test_each_environment_has_its_own() -> None:
    trust = trust_of(anchor(ROOT), TrustedCertificate(PRODUCTION, issuing("B").der, True))

    assert [ROOT.certificate] == trusted(trust)


def test_an_authority_between_counts_under_its_anchor_alone() -> None:
    assert [ROOT.certificate, ISSUING.certificate] == trusted(trust_of(between(ISSUING), anchor(ROOT)))
    assert trusted(trust_of(between(ISSUING))) == []
    assert [issuing("B").certificate] == trusted(trust_of(between(ISSUING), anchor(issuing("B"))))


def test_what_has_ended_counts_no_more() -> None:
    trust = trust_of(anchor(ROOT), between(ISSUING))

    assert trust.certificates(SANDBOX, now=END + timedelta(seconds=1)) == ()


def test_a_gate_reads_whom_to_trust_when_it_begins_and_at_every_change(scene: Scene) -> None:
    trust = Trust()
    freshness = SqliteFreshness(scene.reader, scene.keyring, scene.routes, trust=trust)
    ours, theirs = own(scene), certificate_scene.root("Others")
    identity = foreign(scene, theirs)
    seen = []

    freshness.look()
    seen.append((trust.version, theirs.certificate in trusted(trust), ours.certificate in trusted(trust)))
    table = schema.trusted_authorities
    scene.change(table, table.c.id == identity, ChangeKind.TRUST, identity, disabled_at=NOON)
    freshness.look()
    seen.append((trust.version, theirs.certificate in trusted(trust), ours.certificate in trusted(trust)))
    scene.note(ChangeKind.CREDENTIAL, "another")
    freshness.look()

    assert seen == [(1, True, True), (2, False, True)]
    assert trust.version == 2
