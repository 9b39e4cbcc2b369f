"""What a gate remembers of service credentials: the keys that protect payloads between a project and a service.

Loaded on first use, all keys of one pair at once, and kept until a change concerns them or too many others have been
used since. Ask in the keyring's order: `peek`; when that says UNLOADED, `load`; after the last await
`Freshness.look`, and then whether the keys are still `live` (settled 23).

Private halves are unwrapped when they are first used, so a gate that decrypts has the key-encryption key.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from credenza.adapters.vault import WrongKey
from credenza.domain.model import ChangeNumber, CredentialKind, Status
from credenza.domain.service_keys import purpose
from credenza.gate.issuers import Vault
from credenza.gate.keyring import UNLOADED, GateClosed, Unloaded
from credenza.protocol import public_key
from credenza.protocol.payload import Recipient
from credenza.protocol.public_key import PublicKey
from credenza.store.change_kinds import ChangeKind
from credenza.store.lookup import News
from credenza.store.payload_lookup import Parties, ServiceKey, ServiceKeySnapshot

_CAPACITY = 20_000
_LOAD_ATTEMPTS = 8


class KeysSealed(Exception):  # noqa: N818 - says what is the case
    """This gate has no key-encryption key, or not the one that the private keys are wrapped with now."""


class ServiceKeySource(Protocol):
    """Where service credentials come from. What ends in `now` answers None when it would have to wait."""

    def service_keys_now(self, parties: Parties) -> ServiceKeySnapshot | None: ...

    async def service_keys(self, parties: Parties) -> ServiceKeySnapshot: ...


@dataclass(slots=True, eq=False)
class Known:
    """A service credential in memory; its keys are read when they are first used."""

    key: ServiceKey
    _public: PublicKey | None = field(default=None, repr=False)
    _private: RSAPrivateKey | None = field(default=None, repr=False)

    def is_called(self, name: str) -> bool:
        """Whether the key is known by this name: one of its fingerprints, in lower case, or its id."""
        return name in (self.key.spki_sha256, self.key.certificate_sha256, self.key.id)

    def is_in_time(self, now: datetime) -> bool:
        return self.key.not_before <= now <= self.key.not_after

    def public(self) -> PublicKey:
        if self._public is None:
            self._public = public_key.parse(self.key.public_key_der)
        return self._public

    def private(self, vault: Vault | None) -> RSAPrivateKey:
        """Raises KeysSealed."""
        if self._private is None:
            if vault is None:
                raise KeysSealed
            try:
                der = vault.unwrap(purpose(self.key.id), self.key.wrapped_private_key)
            except WrongKey as error:
                raise KeysSealed from error
            # Its arithmetic was sound when we made it, and the wrapping proves that it has not changed: to test its
            # primes again would hold the loop for 30 ms.
            key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
            assert isinstance(key, RSAPrivateKey), "requests are encrypted to RSA keys"
            self._private = key
        return self._private


@dataclass(slots=True, eq=False)
class PairKeys:
    """The keys between two parties, the latest first. `live` turns false when a change concerns them."""

    keys: tuple[Known, ...]
    live: bool = True

    def decrypting(self, vault: Vault | None, *, now: datetime) -> Decrypting:
        """The private keys that requests may be encrypted to now."""
        return Decrypting(tuple(self._fit(CredentialKind.REQUEST_ENCRYPTION, now)), vault)

    def recipient(self, *, now: datetime) -> Recipient | None:
        """Who answers are encrypted to now; None where nobody is."""
        for known in self._fit(CredentialKind.RESPONSE_ENCRYPTION, now):
            key = known.public()
            assert isinstance(key, RSAPublicKey), "answers are encrypted to RSA keys"
            return Recipient(key, known.key.certificate_sha256 or None, known.key.id, known.key.spki_sha256)
        return None

    def verifying(self, kid: str, *, grace: timedelta, now: datetime) -> PublicKey | None:
        """Find the key that may have signed a request: the active one, or one that another has replaced not longer
        ago than the grace that its service gives."""
        for known in self.keys:
            key = known.key
            if key.kind is CredentialKind.REQUEST_SIGNATURE and known.is_in_time(now) and known.is_called(kid.lower()):
                since = key.inactive_since
                if key.status is Status.ACTIVE or (since is not None and now < since + grace):
                    return known.public()
        return None

    def _fit(self, kind: CredentialKind, now: datetime) -> Iterator[Known]:
        for known in self.keys:
            if known.key.kind is kind and known.key.status is Status.ACTIVE and known.is_in_time(now):
                yield known


@dataclass(frozen=True, slots=True)
class Decrypting:
    """What `protocol.payload` finds private keys in."""

    keys: Sequence[Known]
    vault: Vault | None

    def find(self, fingerprint: str | None) -> RSAPrivateKey | None:
        """Raises KeysSealed."""
        if fingerprint is None:
            return self.keys[0].private(self.vault) if len(self.keys) == 1 else None
        found = next((known for known in self.keys if known.is_called(fingerprint)), None)
        return None if found is None else found.private(self.vault)


PeekedKeys: TypeAlias = PairKeys | Unloaded


class PayloadKeys:
    """Hears of changes as the keyring's follower. `capacity` is how many keys are remembered, all pairs together; a
    pair without any counts as one."""

    def __init__(self, source: ServiceKeySource, vault: Vault | None, *, capacity: int = _CAPACITY) -> None:
        self._source = source
        self.vault = vault
        self._capacity = capacity
        self._pairs: OrderedDict[Parties, PairKeys] = OrderedDict()
        self._held = 0
        self._era = 0
        self._number = ChangeNumber(0)

    def __len__(self) -> int:
        return len(self._pairs)

    def peek(self, parties: Parties) -> PeekedKeys:
        """Find the keys of a pair without waiting. Raises GateClosed."""
        found = self._pairs.get(parties)
        if found is not None:
            self._pairs.move_to_end(parties)
            return found
        snapshot = self._source.service_keys_now(parties)
        return UNLOADED if snapshot is None else self._keep(parties, snapshot)

    async def load(self, parties: Parties) -> PairKeys:
        """Read the keys of a pair. Raises GateClosed when the database does not answer, or only with the past."""
        for _ in range(_LOAD_ATTEMPTS):
            era = self._era
            snapshot = await self._source.service_keys(parties)
            kept = self._keep(parties, snapshot) if era == self._era else UNLOADED
            if isinstance(kept, PairKeys):
                return kept
        raise GateClosed("database")

    def apply(self, news: News) -> None:
        """Forget what changes concern; everything, when some are missing."""
        if not news.follows(self._number):
            self.forget_all(news.number)
            return
        self._number = news.number
        projects = {each.subject for each in news.changes if each.kind in (ChangeKind.SERVICE_KEY, ChangeKind.PROJECT)}
        credentials = {each.subject for each in news.changes if each.kind is ChangeKind.CREDENTIAL}
        if projects or credentials:
            # All are walked, as in the keyring: such changes are rare.
            for parties in [each for each in self._pairs if self._concerns(each, projects, credentials)]:
                self._forget(parties)

    def forget_all(self, number: ChangeNumber) -> None:
        """Begin anew. `number` may be lower than it was."""
        self._number = number
        self._era += 1
        for parties in list(self._pairs):
            self._forget(parties)

    def _concerns(self, parties: Parties, projects: set[str], credentials: set[str]) -> bool:
        if parties.project_id in projects:
            return True
        return any(known.key.id in credentials for known in self._pairs[parties].keys)

    def _keep(self, parties: Parties, snapshot: ServiceKeySnapshot) -> PeekedKeys:
        if snapshot.number < self._number:
            return UNLOADED
        known = self._pairs.get(parties)
        if known is not None:
            return known  # loaded twice at once: both callers must hold the keys that a change will reach
        kept = self._pairs[parties] = PairKeys(tuple(map(Known, snapshot.keys)))
        self._held += _weight(kept)
        while self._held > self._capacity and len(self._pairs) > 1:
            self._forget(next(iter(self._pairs)))
        return kept

    def _forget(self, parties: Parties) -> None:
        pair = self._pairs.pop(parties)
        pair.live = False
        self._held -= _weight(pair)


def _weight(pair: PairKeys) -> int:
    return max(1, len(pair.keys))
