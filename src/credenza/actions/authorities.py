"""Our own certificate authorities: a root and one issuing authority per environment, made at the first start, imported,
or rolled over.

Rolling over breaks nobody: the next authority is published and trusted first (`publish_next`, `start_anew`,
`import_next`), and made to sign when everybody has it (`let_next_sign`). The one before it signs no more certificates,
stays trusted until it ends, and its revocation list and status answers go on.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection

from credenza.actions.context import Act, Attempt, Platform, Vault, acting, viewing
from credenza.actions.issuers import Places, opened, purpose, reaching
from credenza.adapters.key_token import KeyAway
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import add_months
from credenza.domain.model import PLATFORM, Actor, AuthorityId, EnvironmentName
from credenza.protocol import authority_import, certificate, issuance
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.issuance import IssuerKey
from credenza.store import authorities, changes
from credenza.store.authorities import Authority
from credenza.store.certificates import AuthorityRole
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading

Role: TypeAlias = AuthorityRole
NEARLY_ENDED = timedelta(days=2 * 365)
"""A leaf lasts 13 months: an authority that ends sooner than this makes them shorter before long."""

_ROOT_YEARS = 20
_ISSUING_YEARS = 8
_LONGEST_URI = 500


class Draw(Protocol):
    """n random bytes."""

    def __call__(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class OwnAuthority:
    """What an operator brings: the certificate and those above it (PEM), and the private key, in a file or in a token.

    `private_key` is PEM, DER or PKCS#12, opened with `password`; without one, `key_uri` names it (RFC 7512).
    """

    certificates: bytes
    private_key: bytes = field(default=b"", repr=False)
    password: bytes = field(default=b"", repr=False)
    key_uri: str = ""


@dataclass(frozen=True, slots=True)
class AuthorityView:
    """An authority as people see it. `state` is one of root, above, next, signs, retired and ended."""

    authority: Authority
    description: certificate.CertificateDescription
    state: str
    places: Places


def ensure(
    connection: Connection, vault: Vault, environment: EnvironmentName, *, random: Draw, pki_url: str, now: datetime
) -> Authority:
    """Find the issuing authority of an environment, made together with its root where there is none yet."""
    issuing = authorities.find_signing(connection, environment, AuthorityRole.ISSUING)
    if issuing is not None:
        return issuing
    maker = _Maker(vault, random, pki_url, now)
    root, root_key = maker.root(environment, number=1, signs_from=now)
    issuing = maker.issuing(root, root_key, number=1, signs_from=now)
    for each in (root, issuing):
        authorities.insert_authority(connection, each)
    return issuing


def certificate_of(platform: Platform, environment: EnvironmentName, role: AuthorityRole) -> bytes:
    """Read the certificate (DER) of the authority that signs for an environment, or of its root; it is public."""
    with reading(platform.database.records) as connection:
        issuing = authorities.find_signing(connection, environment, AuthorityRole.ISSUING)
        assert issuing is not None, "made at the first start"
        return issuing.certificate_der if role is AuthorityRole.ISSUING else _above(connection, issuing)[-1]


def certificate_by_id(platform: Platform, authority_id: str) -> bytes:
    """Read the certificate (DER) of any authority that there ever was. Public."""
    with reading(platform.database.records) as connection:
        found = authorities.find(connection, authority_id)
    if found is None:
        raise not_found()
    return found.certificate_der


def chains(platform: Platform, environment: EnvironmentName, *, now: datetime) -> tuple[bytes, ...]:
    """List the certificates (DER) of all authorities of an environment that have not ended, the next one included."""
    with reading(platform.database.records) as connection:
        found = authorities.list_all(connection)
    here = (each.certificate_der for each in found if each.environment is environment)
    return tuple(der for der in here if x509.load_der_x509_certificate(der).not_valid_after_utc >= now)


def list_all(platform: Platform, actor: Actor, *, now: datetime) -> tuple[AuthorityView, ...]:
    """List every authority, retired ones and those above imported ones included."""
    with viewing(platform, Attempt(actor, Action.AUTHORITY_LIST, now)) as act:
        found = authorities.list_all(act.connection)
    return tuple(_view(platform, each, now) for each in found)


def get(platform: Platform, actor: Actor, authority_id: str, *, now: datetime) -> AuthorityView:
    with viewing(platform, Attempt(actor, Action.AUTHORITY_LIST, now)) as act:
        found = authorities.find(act.connection, authority_id)
        if found is None:
            raise not_found()
    return _view(platform, found, now)


def start_anew(platform: Platform, actor: Actor, environment: EnvironmentName, *, now: datetime) -> AuthorityView:
    """Make a new root and, below it, the next issuing authority: published and trusted, and not signing yet."""
    with acting(platform, Attempt(actor, Action.AUTHORITY_MAKE, now)) as act:
        _check_no_next(act, environment)
        number = _number(act, environment)
        maker = _Maker(platform.vault, platform.random, platform.pki_url, now)
        root, root_key = maker.root(environment, number=number, retired_at=now)
        return _publish(act, maker.issuing(root, root_key, number=number), root)


def publish_next(platform: Platform, actor: Actor, environment: EnvironmentName, *, now: datetime) -> AuthorityView:
    """Make the next issuing authority below the present root: published and trusted, and not signing yet."""
    with acting(platform, Attempt(actor, Action.AUTHORITY_MAKE, now)) as act:
        _check_no_next(act, environment)
        root = _root_to_sign(act, environment)
        maker = _Maker(platform.vault, platform.random, platform.pki_url, now)
        signer = opened(platform, root)
        with reaching(platform, signer):
            made = maker.issuing(root, signer.private_key, number=_number(act, environment))
        return _publish(act, made)


def import_next(
    platform: Platform, actor: Actor, environment: EnvironmentName, own: OwnAuthority, *, now: datetime
) -> AuthorityView:
    """Take an operator's own authority as the next one: published and trusted, and not signing yet."""
    with acting(platform, Attempt(actor, Action.AUTHORITY_IMPORT, now)) as act:
        _check_no_next(act, environment)
        path, key = _read(platform, own, now=now)
        maker = _Maker(platform.vault, platform.random, platform.pki_url, now)
        above = _imported_above(act, maker, environment, path[1:])
        in_file = None if own.key_uri else key
        made = maker.authority(environment, AuthorityRole.ISSUING, above, path[0], in_file)
        return _publish(act, replace(made, key_uri=own.key_uri))


def let_next_sign(platform: Platform, actor: Actor, environment: EnvironmentName, *, now: datetime) -> AuthorityView:
    """Let the next authority sign from now on. The one before it is retired, and stays trusted until it ends."""
    with acting(platform, Attempt(actor, Action.AUTHORITY_SIGN, now)) as act:
        authorities.lock(act.connection, environment)
        following = authorities.find_next(act.connection, environment, AuthorityRole.ISSUING)
        if following is None:
            raise Refusal(
                Code.NOT_FOUND,
                f"No authority is next in {environment}. Make one: credenza ca roll-over, ca init or ca import.",
                field="environment",
            )
        opened(platform, following)  # its key must be there before anything rests on it
        signing = authorities.find_signing(act.connection, environment, AuthorityRole.ISSUING)
        assert signing is not None, "made at the first start"
        authorities.mark_retired(act.connection, signing.id, now=now)
        authorities.mark_signing(act.connection, following.id, now=now)
        _announce(act, following)
        found = authorities.find(act.connection, following.id)
        assert found is not None, "just changed"
        return _view(platform, found, now)


def not_found() -> Refusal:
    return Refusal(Code.NOT_FOUND, "No such authority. List them with: credenza ca view", field="authorityId")


class _Maker:
    """Makes authorities of our own, and their rows."""

    def __init__(self, vault: Vault, random: Draw, pki_url: str, now: datetime) -> None:
        self._vault = vault
        self._random = random
        self._pki_url = pki_url
        self._now = now

    def root(
        self,
        environment: EnvironmentName,
        *,
        number: int,
        signs_from: datetime | None = None,
        retired_at: datetime | None = None,
    ) -> tuple[Authority, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        made = issuance.make_root(
            key,
            subject=_name(environment, "Root CA" if number == 1 else f"Root CA {number}"),
            public_key=key.public_key(),
            serial_number=self._serial(),
            validity=issuance.validity(self._now, ends_at=add_months(self._now, 12 * _ROOT_YEARS)),
        )
        row = self.authority(environment, AuthorityRole.ROOT, None, made, key)
        return replace(row, signs_from=signs_from, retired_at=retired_at), key

    def issuing(
        self, root: Authority, root_key: IssuerKey, *, number: int, signs_from: datetime | None = None
    ) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_der_x509_certificate(root.certificate_der)
        places = Places(self._pki_url, root.id)
        made = issuance.make_issuing(
            root_key,
            issuer,
            subject=_name(root.environment, f"Issuing CA {number}"),
            public_key=key.public_key(),
            serial_number=self._serial(),
            validity=issuance.validity(
                self._now,
                ends_at=add_months(self._now, 12 * _ISSUING_YEARS),
                issuer_not_after=issuer.not_valid_after_utc,
            ),
            ca_issuers_url=places.certificate,
            crl_url=places.revocation_list,
        )
        row = self.authority(root.environment, AuthorityRole.ISSUING, root.id, made, key)
        return replace(row, signs_from=signs_from)

    def authority(
        self,
        environment: EnvironmentName,
        role: AuthorityRole,
        parent_id: AuthorityId | None,
        made: x509.Certificate,
        key: IssuerKey | None,
    ) -> Authority:
        """Make the row of a certificate, and wrap the key for it unless that is in a token or nowhere near (None)."""
        identity = AuthorityId(str(uuid.UUID(bytes=self._random(16), version=4)))
        wrapped = b""
        if key is not None:
            pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            wrapped = self._vault.wrap(purpose(identity), pkcs8)
        return Authority(
            id=identity,
            environment=environment,
            role=role,
            parent_id=parent_id,
            certificate_der=made.public_bytes(Encoding.DER),
            wrapped_private_key=wrapped,
            key_uri="",
            created_at=self._now,
            signs_from=None,
            retired_at=None,
        )

    def _serial(self) -> int:
        return issuance.serial_from(self._random(issuance.SERIAL_RANDOM_BYTES))


def _publish(act: Act, made: Authority, *above: Authority) -> AuthorityView:
    for each in (*above, made):
        if not authorities.insert_authority(act.connection, each):
            raise _next_exists(made.environment)
    _announce(act, made)
    return _view(act.platform, made, made.created_at)


def _announce(act: Act, authority: Authority) -> None:
    """Tell the gates whom they are to trust, and the audit log what was done."""
    changes.record(act.connection, PLATFORM, ChangeKind.TRUST, authority.id)
    subject = x509.load_der_x509_certificate(authority.certificate_der).subject.rfc4514_string()
    act.note(authority.id, f"{authority.environment} {subject}")


def _check_no_next(act: Act, environment: EnvironmentName) -> None:
    authorities.lock(act.connection, environment)
    if authorities.find_next(act.connection, environment, AuthorityRole.ISSUING) is not None:
        raise _next_exists(environment)


def _next_exists(environment: EnvironmentName) -> Refusal:
    return Refusal(
        Code.DUPLICATE_NAME,
        f"{environment} has a next authority already. Let it sign: credenza ca roll-over --finish",
        field="environment",
    )


def _number(act: Act, environment: EnvironmentName) -> int:
    found = authorities.list_all(act.connection)
    issuing = [each for each in found if each.environment is environment and each.role is AuthorityRole.ISSUING]
    return 1 + len(issuing)


def _root_to_sign(act: Act, environment: EnvironmentName) -> Authority:
    """The root above the authority that signs, if its key is here and it lasts."""
    issuing = authorities.find_signing(act.connection, environment, AuthorityRole.ISSUING)
    assert issuing is not None, "made at the first start"
    root = None if issuing.parent_id is None else authorities.find(act.connection, issuing.parent_id)
    if root is None or not root.has_key:
        raise Refusal(
            Code.INVALID,
            f"The key of the root above {environment}'s authority is not here. Have the next authority certified where "
            "that key is and import it: credenza ca import. Or begin with a new root: credenza ca init",
            field="environment",
        )
    if x509.load_der_x509_certificate(root.certificate_der).not_valid_after_utc - act.now < NEARLY_ENDED:
        raise Refusal(
            Code.INVALID,
            f"The root of {environment} has nearly ended itself. Begin with a new one: credenza ca init",
            field="environment",
        )
    return root


def _read(platform: Platform, own: OwnAuthority, *, now: datetime) -> tuple[tuple[x509.Certificate, ...], IssuerKey]:
    """Read and check what an operator brings."""
    if bool(own.private_key) == bool(own.key_uri):
        raise Refusal(Code.INVALID, "Give the private key as a file or as a PKCS#11 URI, one of both.", field="key")
    if len(own.key_uri) > _LONGEST_URI:
        raise Refusal(Code.INVALID, f"A URI has {_LONGEST_URI} characters at most.", field="keyUri")
    try:
        path = authority_import.path(certificate.parse_bundle(own.certificates))
        authority_import.check(path, now=now)
        key = _key(platform, own)
        authority_import.check_fits(key, path[0])
    except (Malformed, Refused) as error:
        raise Refusal(Code.INVALID, str(error), field="certificates") from error
    return path, key


def _key(platform: Platform, own: OwnAuthority) -> IssuerKey:
    if own.private_key:
        return authority_import.read_key(own.private_key, own.password)
    try:
        return platform.issuer_keys.at(own.key_uri)
    except KeyAway as error:
        raise Refusal(Code.INVALID, str(error), field="keyUri") from error


def _imported_above(
    act: Act, maker: _Maker, environment: EnvironmentName, path: tuple[x509.Certificate, ...]
) -> AuthorityId | None:
    """Keep the authorities above an imported one, so that chains are complete; return the one just above it."""
    known = {each.certificate_der: each.id for each in authorities.list_all(act.connection)}
    above: AuthorityId | None = None
    for each in reversed(path):
        encoded = each.public_bytes(Encoding.DER)
        if encoded not in known:
            row = maker.authority(environment, AuthorityRole.ROOT, above, each, None)
            row = replace(row, retired_at=row.created_at)
            authorities.insert_authority(act.connection, row)
            known[encoded] = row.id
        above = known[encoded]
    return above


def _above(connection: Connection, authority: Authority) -> tuple[bytes, ...]:
    """The certificates of an authority and of those above it, in order."""
    found = [authority.certificate_der]
    while authority.parent_id is not None:
        parent = authorities.find(connection, authority.parent_id)
        assert parent is not None, "a foreign key says so"
        found.append(parent.certificate_der)
        authority = parent
    return tuple(found)


def _view(platform: Platform, authority: Authority, now: datetime) -> AuthorityView:
    described = certificate.describe(x509.load_der_x509_certificate(authority.certificate_der))
    places = Places(platform.pki_url, authority.id)
    return AuthorityView(authority, described, _state(authority, described, now), places)


def _state(authority: Authority, described: certificate.CertificateDescription, now: datetime) -> str:
    if described.not_after < now:
        return "ended"
    if authority.role is AuthorityRole.ROOT:
        return "root" if authority.has_key else "above"
    if authority.signs:
        return "signs"
    return "next" if authority.retired_at is None else "retired"


def _name(environment: EnvironmentName, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Credenza"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Credenza {environment.capitalize()} {role}"),
        ]
    )
