"""Paths from a client's certificate to a trusted anchor (RFC 5280 section 6)."""

import itertools
from datetime import timedelta
from ipaddress import IPv4Network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509.oid import NameOID
from tests.protocol import forge
from tests.protocol.authorities import CLIENT, NOW, SERVER, Party, key_usage

from credenza.protocol import certificate_path
from credenza.protocol.errors import Refused

ROOT, ISSUING, CLIENT_PARTY = Party("Root"), Party("Issuing"), Party("client")
ANCHOR = ROOT.root()
BETWEEN = ROOT.certify(ISSUING, ca=True)
LEAF = ISSUING.certify(CLIENT_PARTY)


def refused(leaf: x509.Certificate, between: list[x509.Certificate], anchors: list[x509.Certificate]) -> str:
    with pytest.raises(Refused) as caught:
        certificate_path.prove(leaf, between, anchors, now=NOW)
    assert str(caught.value).endswith(".")
    return caught.value.reason


def test_a_path_runs_from_the_leaf_to_the_anchor() -> None:
    assert certificate_path.prove(LEAF, [BETWEEN], [ANCHOR], now=NOW) == (LEAF, BETWEEN, ANCHOR)


def test_the_order_of_intermediates_means_nothing_and_strangers_among_them_do_no_harm() -> None:
    middle, last = Party("Middle"), Party("Last")
    chain = [ROOT.certify(middle, ca=True), middle.certify(last, ca=True)]
    strangers = [Party("Stranger").root(), Party("Issuing").root()]

    path = certificate_path.prove(last.certify(CLIENT_PARTY), [*strangers, *chain[::-1]], [ANCHOR], now=NOW)

    assert path[1:] == (chain[1], chain[0], ANCHOR)


def test_an_intermediate_may_itself_be_the_anchor() -> None:
    assert certificate_path.prove(LEAF, [], [BETWEEN], now=NOW) == (LEAF, BETWEEN)


def test_a_leaf_without_any_extension_is_one_that_may_be_used_for_everything() -> None:
    leaf = ISSUING.certify(CLIENT_PARTY, ca=None)

    assert len(certificate_path.prove(leaf, [BETWEEN], [ANCHOR], now=NOW)) == 3


def test_a_leaf_with_the_uses_of_a_client_is_admitted() -> None:
    leaf = ISSUING.certify(CLIENT_PARTY, extensions=[(CLIENT, False), (key_usage("digital_signature"), True)])

    assert len(certificate_path.prove(leaf, [BETWEEN], [ANCHOR], now=NOW)) == 3


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"ends": timedelta(seconds=-1)}, "expired"),
        ({"begins": timedelta(seconds=1)}, "not_yet_valid"),
        ({"ca": True}, "is_ca"),
        ({"extensions": [(SERVER, False)]}, "extended_key_usage"),
        ({"extensions": [(key_usage("key_encipherment"), True)]}, "key_usage"),
        ({"extensions": [(x509.PolicyConstraints(0, None), True)]}, "critical_extension"),
    ],
)
def test_a_leaf_that_is_no_clients_is_refused(said: dict, reason: str) -> None:
    assert refused(ISSUING.certify(CLIENT_PARTY, **said), [BETWEEN], [ANCHOR]) == reason


def with_sha1(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Sign it again as was usual once; no library of today does that by itself."""
    modern, old = forge.oid(forge.SHA256_WITH_RSA), forge.oid(forge.SHA1_WITH_RSA)
    to_be_signed = certificate.tbs_certificate_bytes.replace(modern, old)
    signature = forge.bit_string(key.sign(to_be_signed, padding.PKCS1v15(), SHA1()))
    return x509.load_der_x509_certificate(forge.sequence(to_be_signed, forge.sequence(old, forge.NULL), signature))


def test_a_signature_with_sha1_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    old = Party("Old", rsa_key)
    leaf = with_sha1(old.certify(CLIENT_PARTY), rsa_key)
    between = with_sha1(old.certify(ISSUING, ca=True), rsa_key)

    assert refused(leaf, [], [old.root()]) == "weak_signature"
    assert refused(LEAF, [between], [old.root()]) == "issuer_key"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (rsa.generate_private_key(65537, 1024), "key_size"),
        (rsa.generate_private_key(3, 2048), "weak_key"),
        (ec.generate_private_key(ec.SECP521R1()), "key_type"),
    ],
    ids=["small", "exponent 3", "P-521"],
)
def test_a_key_that_is_not_computed_with_is_refused_in_a_leaf_and_in_an_authority(key, reason: str) -> None:
    weak = Party("Weak", key)

    assert refused(ISSUING.certify(weak), [BETWEEN], [ANCHOR]) == reason
    assert refused(weak.certify(CLIENT_PARTY), [ROOT.certify(weak, ca=True)], [ANCHOR]) == "issuer_key"


def test_a_huge_key_of_an_authority_is_never_computed_with() -> None:
    huge = Party("Huge", rsa.generate_private_key(65537, 4104))
    leaf = huge.certify(CLIENT_PARTY)

    assert refused(leaf, [ROOT.certify(huge, ca=True)], [ANCHOR]) == "issuer_key"


def test_a_certificate_that_signs_itself_is_refused() -> None:
    assert refused(CLIENT_PARTY.certify(CLIENT_PARTY), [BETWEEN], [ANCHOR]) == "self_signed"


@pytest.mark.parametrize("anchors", [[], [Party("Elsewhere").root()], [Party("Root").root()]])
def test_without_an_anchor_that_signed_it_nothing_is_trusted(anchors: list[x509.Certificate]) -> None:
    assert refused(LEAF, [BETWEEN], anchors) == "untrusted"


def test_without_the_authorities_between_the_sentence_names_the_issuer() -> None:
    with pytest.raises(Refused, match="CN=Issuing,O=Acme") as caught:
        certificate_path.prove(LEAF, [], [ANCHOR], now=NOW)

    assert caught.value.reason == "untrusted"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"ca": True, "ends": timedelta(seconds=-1)}, "issuer_expired"),
        ({"ca": True, "begins": timedelta(seconds=1)}, "issuer_not_yet_valid"),
        ({"ca": False}, "issuer_not_ca"),
        ({"ca": None}, "issuer_not_ca"),
        ({"ca": True, "extensions": [(key_usage("crl_sign"), True)]}, "issuer_not_ca"),
        ({"ca": True, "extensions": [(SERVER, False)]}, "issuer_not_ca"),
        ({"ca": True, "extensions": [(x509.PolicyConstraints(0, None), True)]}, "issuer_key"),
    ],
)
def test_an_authority_between_that_may_not_certify_is_refused(said: dict, reason: str) -> None:
    assert refused(LEAF, [ROOT.certify(ISSUING, **said)], [ANCHOR]) == reason


def test_an_anchor_that_has_ended_vouches_for_nobody() -> None:
    assert refused(LEAF, [BETWEEN], [ROOT.root(ends=timedelta(seconds=-1))]) == "issuer_expired"


def test_a_path_longer_than_an_authority_allows_is_refused() -> None:
    assert refused(LEAF, [BETWEEN], [ROOT.root(path_length=0)]) == "path_length"


def test_a_deep_path_is_refused() -> None:
    parties = [ROOT, *(Party(f"Depth {depth}") for depth in range(certificate_path.DEEPEST + 1))]
    between = [above.certify(below, ca=True) for above, below in itertools.pairwise(parties)]

    assert refused(parties[-1].certify(CLIENT_PARTY), between, [ANCHOR]) == "path_too_long"


def test_more_intermediates_than_any_chain_has_are_refused() -> None:
    assert refused(LEAF, [BETWEEN] * (certificate_path.MOST_INTERMEDIATES + 1), [ANCHOR]) == "path_too_long"


def test_crossed_and_looping_authorities_are_given_up_after_a_bounded_look(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each of sixteen certifies itself under one name and key: sixteen ways on at every step.
    loops = [ISSUING.certify(ISSUING, ca=True) for _ in range(certificate_path.MOST_INTERMEDIATES)]
    looks: list[object] = []
    judged = certificate_path._check_critical
    monkeypatch.setattr(certificate_path, "_check_critical", lambda each: (looks.append(each), judged(each)))

    assert refused(LEAF, loops, [ANCHOR]) == "untrusted"
    assert len(looks) <= 1 + certificate_path._MOST_LOOKS  # one is of the leaf


def test_of_two_crossed_paths_the_one_that_holds_is_found() -> None:
    other = Party("Other root")
    ended = other.certify(ISSUING, ca=True, ends=timedelta(seconds=-1))

    assert certificate_path.prove(LEAF, [ended, BETWEEN], [other.root(), ANCHOR], now=NOW)[1] == BETWEEN


def constrained(permitted=None, excluded=None, critical: bool = True) -> x509.Certificate:
    extension = x509.NameConstraints(permitted, excluded)
    return ROOT.certify(ISSUING, ca=True, extensions=[(extension, critical)])


def in_directory(organization: str) -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]))


@pytest.mark.parametrize(
    "between",
    [
        constrained([in_directory("Umbrella")], critical=False),
        constrained(None, [in_directory("ACME ")], critical=False),
        constrained([in_directory("Acme")]),
    ],
    ids=["not permitted", "excluded", "critical, and not understood"],
)
def test_directory_names_under_name_constraints_are_refused(between: x509.Certificate) -> None:
    assert refused(LEAF, [between], [ANCHOR]) == "name_constraints"


def test_a_directory_name_within_the_permitted_one_passes() -> None:
    between = constrained([in_directory("acme")], [in_directory("Umbrella")], critical=False)

    assert certificate_path.prove(LEAF, [between], [ANCHOR], now=NOW)[1] == between


def test_a_path_closed_by_name_constraints_does_not_hide_an_open_one() -> None:
    closed = constrained([in_directory("Umbrella")], critical=False)

    assert certificate_path.prove(LEAF, [closed, BETWEEN], [ANCHOR], now=NOW)[1] == BETWEEN


@pytest.mark.parametrize(
    ("between", "name"),
    [
        (constrained([x509.DNSName("example.org")]), x509.DNSName("evil.example.com")),
        (constrained(None, [x509.DNSName("example.com")]), x509.DNSName("a.example.com")),
        (constrained([x509.IPAddress(IPv4Network("10.0.0.0/8"))]), x509.IPAddress(IPv4Network("192.0.2.1/32")[0])),
        (constrained([x509.RFC822Name("example.org")]), x509.RFC822Name("me@example.com")),
    ],
)
def test_alternative_names_under_name_constraints_are_refused(between, name: x509.GeneralName) -> None:
    leaf = ISSUING.certify(CLIENT_PARTY, extensions=[(x509.SubjectAlternativeName([name]), False)])

    assert refused(leaf, [between], [ANCHOR]) in {"name_constraints", "untrusted_path"}


@pytest.mark.parametrize(
    ("constraint", "passes"),
    [("example.org", True), (".example.org", False), ("me@example.org", True), ("you@example.org", False)],
)
def test_a_mail_address_in_the_subject_is_constrained_like_one_beside_it(constraint: str, passes: bool) -> None:
    person = Party("person")
    person.name = x509.Name([*person.name, x509.NameAttribute(NameOID.EMAIL_ADDRESS, "me@Example.org")])
    leaf, between = ISSUING.certify(person), constrained([x509.RFC822Name(constraint)])

    if passes:
        assert certificate_path.prove(leaf, [between], [ANCHOR], now=NOW)
    else:
        assert refused(leaf, [between], [ANCHOR]) == "name_constraints"
