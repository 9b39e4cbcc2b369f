"""Paths (RFC 5280 section 6): from a client's certificate to an anchor that its environment trusts.

`prove` is the one question. The path is built and its signatures are verified by `cryptography`'s verifier; what that
leaves to its caller is here: what a client's certificate must say, directory names under name constraints, which keys
may be computed with, and how much is looked at before giving up. Everything that is refused has its sentence.

Not here: revocation (`crl`), and whether a certificate belongs to anybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, VerificationError

from credenza.protocol import name_constraints, public_key
from credenza.protocol.errors import Refused

Path: TypeAlias = tuple[x509.Certificate, ...]
Extension = TypeVar("Extension", bound=x509.ExtensionType)

# The longest chains of the public web have two or three authorities between anchor and leaf.
DEEPEST: Final = 6
MOST_INTERMEDIATES: Final = 16
# Crossed and looping certificates can be walked in very many orders; a sound path is found long before this.
_MOST_LOOKS: Final = 200

_HASHES: Final = (SHA256, SHA384, SHA512)
_KNOWN_CRITICAL: Final = frozenset(
    (
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
        x509.NameConstraints.oid,
    )
)


def prove(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    *,
    now: datetime,
) -> Path:
    """Return the path from leaf to one of anchors, both included.

    `intermediates` are what the client sent and what the operator trusts as such; their order means nothing. Raises
    Refused with, for the leaf: expired | not_yet_valid | is_ca | key_usage | extended_key_usage | weak_signature |
    critical_extension | key_type | key_size | weak_key; for the path: self_signed | untrusted | path_too_long |
    path_length | issuer_expired | issuer_not_yet_valid | issuer_not_ca | issuer_key | name_constraints |
    untrusted_path.
    """
    check_leaf(leaf, now=now)
    if len(intermediates) > MOST_INTERMEDIATES:
        raise Refused("path_too_long", f"More than {MOST_INTERMEDIATES} authorities stand between; send fewer.")
    judged = [each for each in anchors if name_constraints.are_understood(each)]
    between = [each for each in intermediates if name_constraints.are_understood(each)]
    if not judged:
        raise _explain(leaf, intermediates, anchors, now=now)
    try:
        found = _verifier(leaf, judged, now=now).verify(leaf, between)
    except VerificationError as error:
        raise _explain(leaf, intermediates, anchors, now=now) from error
    path = tuple(found.chain)
    name_constraints.check(path)
    return path


def check_leaf(leaf: x509.Certificate, *, now: datetime) -> None:
    """Raise Refused unless the certificate alone is one that a client may prove itself with, whoever made it."""
    _check_dates(leaf, now=now)
    _check_signature_hash(leaf)
    public_key.check_type_and_size(leaf.public_key(), allow_ec=True, allow_p384=True)
    _check_is_for_clients(leaf)
    _check_critical(leaf)


def _check_dates(leaf: x509.Certificate, *, now: datetime) -> None:
    if now > leaf.not_valid_after_utc:
        raise Refused("expired", f"The certificate ended on {leaf.not_valid_after_utc:%Y-%m-%d}.")
    if now < leaf.not_valid_before_utc:
        begins = leaf.not_valid_before_utc
        raise Refused("not_yet_valid", f"The certificate is not valid before {begins:%Y-%m-%d %H:%M} UTC.")


def _check_signature_hash(certificate: x509.Certificate) -> None:
    try:
        used = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        used = None
    if not isinstance(used, _HASHES):
        name = "another algorithm" if used is None else used.name.upper()
        raise Refused(
            "weak_signature", f"The certificate is signed with {name}; SHA-256, SHA-384 or SHA-512 is needed."
        )


def _check_is_for_clients(leaf: x509.Certificate) -> None:
    if _is_ca(leaf):
        raise Refused("is_ca", "This is an authority's certificate (CA:TRUE); a client needs one of its own.")
    key_usage = _find(leaf, x509.KeyUsage)
    if key_usage is not None and not key_usage.digital_signature:
        raise Refused("key_usage", "The key usage of the certificate lacks digitalSignature, which TLS clients need.")
    uses = _find(leaf, x509.ExtendedKeyUsage)
    if uses is not None and not _allows_clients(uses):
        raise Refused("extended_key_usage", "The extended key usage of the certificate lacks clientAuth.")


def _check_critical(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _KNOWN_CRITICAL:
            raise Refused(
                "critical_extension",
                f"It has the critical extension {extension.oid.dotted_string}, which is not understood here.",
            )


def _verifier(
    leaf: x509.Certificate, anchors: Sequence[x509.Certificate], *, now: datetime
) -> verification.ClientVerifier:
    looks = 0

    def look(_policy: Policy, authority: x509.Certificate, constraints: x509.BasicConstraints) -> None:
        """Judge an authority before its key is computed with; the verifier calls this for each that it tries."""
        nonlocal looks
        looks += 1
        if looks > _MOST_LOOKS or not constraints.ca:
            raise ValueError("no authority, or one too many")
        _check_authority_key(authority)
        _check_critical(authority)

    def signs(_policy: Policy, _authority: x509.Certificate, usage: x509.KeyUsage | None) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError("an authority that may not sign certificates")

    def for_clients(_policy: Policy, _authority: x509.Certificate, uses: x509.ExtendedKeyUsage | None) -> None:
        # RFC 5280 4.2.1.12 says nothing of authorities; everybody reads it as a bound on what they may issue.
        if uses is not None and not _allows_clients(uses):
            raise ValueError("an authority that may not certify clients")

    def names(_policy: Policy, authority: x509.Certificate, constraints: x509.NameConstraints | None) -> None:
        # Asked here as well as of the whole path, so that another path is tried where this one is closed.
        if constraints is not None:
            name_constraints.check((leaf, authority))

    ca_policy = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, look)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, signs)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, for_clients)
        .may_be_present(x509.NameConstraints, Criticality.AGNOSTIC, names)
    )
    # The leaf was judged by `check_leaf`, which can say in words what is wrong.
    builder = verification.PolicyBuilder().store(verification.Store(list(anchors))).time(now)
    builder = builder.max_chain_depth(DEEPEST)
    return builder.extension_policies(
        ca_policy=ca_policy, ee_policy=ExtensionPolicy.permit_all()
    ).build_client_verifier()


def _explain(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    *,
    now: datetime,
) -> Refused:
    """Say what is wrong with the shortest path that the signatures allow. There may be none."""
    path = _shortest(leaf, intermediates, anchors)
    if not path:
        return _untrusted(leaf)
    for depth, authority in enumerate(path[1:]):
        for check in _CHECKS:
            refused = check(authority, depth, now)
            if refused is not None:
                return refused
    try:
        name_constraints.check(path)
    except Refused as refused:
        return refused
    return Refused(
        "untrusted_path",
        f"The path through {_named(path[1])} does not hold: an authority in it constrains names in a way that the "
        "certificate does not meet, or one of the certificates is damaged.",
    )


def _shortest(
    leaf: x509.Certificate, intermediates: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> Path:
    """Find who signed whom, up to an anchor; every authority is looked at once, so that loops end."""
    waiting: deque[Path] = deque([(leaf,)])
    left = list(dict.fromkeys((*anchors, *intermediates)))
    while waiting:
        path = waiting.popleft()
        issuers = [each for each in left if each.subject == path[-1].issuer and _signed(path[-1], each)]
        for issuer in issuers:
            if issuer in anchors:
                return (*path, issuer)
            left.remove(issuer)
            waiting.append((*path, issuer))
    return ()


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        _check_authority_key(issuer)
        _check_signature_hash(certificate)
    except Refused:
        return True  # nothing is computed with these; the path is refused for it, in words
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _untrusted(leaf: x509.Certificate) -> Refused:
    if leaf.issuer == leaf.subject:
        return Refused("self_signed", "The certificate signs itself; it must come from an authority trusted here.")
    return Refused(
        "untrusted",
        f"No authority trusted in this environment leads to the certificate. It was issued by "
        f"{leaf.issuer.rfc4514_string()}: send the authorities in between along with it, or ask the operator of the "
        "platform to trust its root.",
    )


def _ended(authority: x509.Certificate, _depth: int, now: datetime) -> Refused | None:
    if now > authority.not_valid_after_utc:
        return Refused("issuer_expired", f"{_named(authority)} ended on {authority.not_valid_after_utc:%Y-%m-%d}.")
    if now < authority.not_valid_before_utc:
        return Refused(
            "issuer_not_yet_valid",
            f"{_named(authority)} is not valid before {authority.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.",
        )
    return None


def _no_authority(authority: x509.Certificate, _depth: int, _now: datetime) -> Refused | None:
    usage, uses = _find(authority, x509.KeyUsage), _find(authority, x509.ExtendedKeyUsage)
    if not _is_ca(authority) or (usage is not None and not usage.key_cert_sign):
        return Refused("issuer_not_ca", f"{_named(authority)} may not sign certificates (CA:TRUE and keyCertSign).")
    if uses is not None and not _allows_clients(uses):
        return Refused("issuer_not_ca", f"{_named(authority)} may not certify clients (extended key usage).")
    return None


def _constrains_other_forms(authority: x509.Certificate, _depth: int, _now: datetime) -> Refused | None:
    if name_constraints.are_understood(authority):
        return None
    return Refused(
        "name_constraints",
        f"{_named(authority)} constrains names of forms that are not understood here: only DNS names, addresses and "
        "mail addresses are.",
    )


def _unfit(authority: x509.Certificate, _depth: int, _now: datetime) -> Refused | None:
    try:
        _check_authority_key(authority)
        _check_signature_hash(authority)
        _check_critical(authority)
    except Refused as refused:
        return Refused("issuer_key", f"{_named(authority)} cannot be relied on. {refused}")
    return None


def _too_deep(authority: x509.Certificate, depth: int, _now: datetime) -> Refused | None:
    constraints = _find(authority, x509.BasicConstraints)
    if constraints is not None and constraints.path_length is not None and depth > constraints.path_length:
        return Refused(
            "path_length",
            f"{_named(authority)} allows {constraints.path_length} authorities below it; there are {depth}.",
        )
    if depth > DEEPEST:
        return Refused("path_too_long", f"More than {DEEPEST} authorities stand between the certificate and its root.")
    return None


_CHECKS: Final[tuple[Callable[[x509.Certificate, int, datetime], Refused | None], ...]] = (
    _ended,
    _unfit,
    _no_authority,
    _too_deep,
    _constrains_other_forms,
)


def _check_authority_key(authority: x509.Certificate) -> None:
    try:
        public_key.check_type_and_size(authority.public_key(), allow_ec=True, allow_p384=True)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("issuer_key", str(error)) from error


def _named(authority: x509.Certificate) -> str:
    return f"The authority {authority.subject.rfc4514_string()}"


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = _find(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _allows_clients(uses: x509.ExtendedKeyUsage) -> bool:
    return ExtendedKeyUsageOID.CLIENT_AUTH in uses or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses


def _find(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
