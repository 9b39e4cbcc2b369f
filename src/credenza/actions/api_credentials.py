"""API credentials of an organization: made, listed, edited, switched off and on, deleted for good (product rows D1-D8).

Two secrets may live side by side under one client id. Whatever takes something away is answered when no gate goes by
what was before. A secret is shown once and kept as a keyed hash; the audit log says what an edit widened and narrowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from credenza.actions import revocation
from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.domain import api_access, client_ids, secret_text
from credenza.domain import api_credentials as rules
from credenza.domain.access import Action
from credenza.domain.api_access import Offer, Place, Review
from credenza.domain.api_credentials import ApiCredential, ApiCredentialQuery, ApiGrant, ClientSecret, OldSecret
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    ChangeNumber,
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    Reach,
    Status,
)
from credenza.domain.names import usual_name
from credenza.store import api_credentials, api_offers, changes

_SHOWN = 6
"""Digits of a secret that lists show behind what it begins with: enough to recognise it, of no use to guess it."""


@dataclass(frozen=True, slots=True)
class NewApiCredential:
    """What is asked for. No `ends_at`: it does not end by itself."""

    name: str
    environment: EnvironmentName
    grants: tuple[ApiGrant, ...]
    note: str = ""
    networks: tuple[str, ...] = ()
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiCredentialEdit:
    """What takes the place of everything that can be edited. `version` is the one that the editor saw."""

    version: int
    name: str
    grants: tuple[ApiGrant, ...]
    note: str = ""
    networks: tuple[str, ...] = ()
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiCredentialView:
    """A credential, and what it may do by the names that APIs and places have today."""

    credential: ApiCredential
    review: Review


@dataclass(frozen=True, slots=True)
class IssuedApiCredential:
    """A credential and, this once, its new secret."""

    view: ApiCredentialView
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A secret beside or in place of another, and how far the gates had got with that when it was answered."""

    issued: IssuedApiCredential
    reach: Reach


@dataclass(frozen=True, slots=True)
class ChangedApiCredential:
    """A changed credential, and how far the gates had got with the change when it was answered."""

    view: ApiCredentialView
    reach: Reach


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be ticked: the APIs that take API credentials, and the live accounts and workspaces."""

    offers: tuple[Offer, ...]
    places: tuple[Place, ...]


# ------------------------------------------------------------------------------------------------------------- looks


def list_page(
    platform: Platform, actor: Actor, organization_id: OrganizationId, wanted: ApiCredentialQuery, *, now: datetime
) -> tuple[ApiCredentialView, ...]:
    attempt = Attempt(actor, Action.API_CREDENTIAL_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        found = api_credentials.list_page(act.connection, organization_id, wanted, now=now)
        known = _known(act)
        return tuple(_view(each, known) for each in found)


def get(
    platform: Platform, actor: Actor, organization_id: OrganizationId, credential_id: CredentialId, *, now: datetime
) -> ApiCredentialView:
    attempt = Attempt(actor, Action.API_CREDENTIAL_VIEW, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        return _view(_find(act, credential_id), _known(act))


def list_choices(platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime) -> Choices:
    """List what a credential of the organization can be granted now."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        known = _known(act)
        offers = tuple(each for each in known.offers if each.environments and each.permissions)
        return Choices(offers, tuple(each for each in known.places if not each.archived))


def preview(
    platform: Platform, actor: Actor, organization_id: OrganizationId, new: NewApiCredential, *, now: datetime
) -> Review:
    """Say what a new credential would be able to do, by the same rules, and make none."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_CREATE, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        known = _known(act)
        return _view(_drafted(act, new, known), known).review


def preview_edit(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    credential_id: CredentialId,
    edit: ApiCredentialEdit,
    *,
    now: datetime,
) -> Review:
    """Say what a credential would be able to do after an edit, by the same rules, and edit nothing."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_EDIT, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        known = _known(act)
        return _view(_edited(_find(act, credential_id), edit, known, now=now), known).review


# ----------------------------------------------------------------------------------------------------------- changes


def create(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    new: NewApiCredential,
    *,
    now: datetime,
    once: Once | None = None,
) -> IssuedApiCredential:
    """Make a credential with its first secret. It works at once."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_CREATE, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, IssuedApiCredential)
        if claimed.answer is not None:
            return claimed.answer
        known = _known(act)
        made = _drafted(act, new, known)
        api_credentials.insert_api_credential(act.connection, made)
        _, secret = _insert_secret(act, made)
        act.note(made.id, _told(made.environment, made.name, api_access.difference((), made.grants)))
        issued = IssuedApiCredential(_view(_find(act, made.id), known), secret)
        return settle(act, issued, secret=True)


def edit(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    credential_id: CredentialId,
    edit: ApiCredentialEdit,
    *,
    now: datetime,
) -> ChangedApiCredential:
    """Replace everything but id, client id, environment and secrets. Refuses an editor who saw an older version."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_EDIT, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        found, known = _find(act, credential_id), _known(act)
        rules.check_version(found, edit.version)
        edited = _edited(found, edit, known, now=now)
        api_credentials.replace_api_credential(act.connection, edited)
        act.note(credential_id, _told(edited.name, _what_changed(found, edited)))
        number = _announce(act, credential_id)
        view = _view(_find(act, credential_id), known)
    return ChangedApiCredential(view, revocation.await_reach(platform, number))


def activate(
    platform: Platform, actor: Actor, organization_id: OrganizationId, credential_id: CredentialId, *, now: datetime
) -> ChangedApiCredential:
    """Switch a credential on again. One that is on stays so."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_ACTIVATE, now, organization_id=organization_id)
    return _switch(platform, attempt, credential_id, Status.ACTIVE)


def deactivate(
    platform: Platform, actor: Actor, organization_id: OrganizationId, credential_id: CredentialId, *, now: datetime
) -> ChangedApiCredential:
    """Switch a credential off, its tokens with it. One that is off stays so."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_DEACTIVATE, now, organization_id=organization_id)
    return _switch(platform, attempt, credential_id, Status.INACTIVE)


def delete(
    platform: Platform, actor: Actor, organization_id: OrganizationId, credential_id: CredentialId, *, now: datetime
) -> Reach:
    """Delete a credential for good: its secrets, grants and scope are gone, and only the audit log knows it."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_DELETE, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        found = _find(act, credential_id)
        api_credentials.bury(act.connection, credential_id, now=now)
        act.note(credential_id, _told(found.environment, found.name))
        number = _announce(act, credential_id)
    return revocation.await_reach(platform, number)


# ----------------------------------------------------------------------------------------------------------- secrets


def issue_secret(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    credential_id: CredentialId,
    *,
    keep_old: OldSecret,
    now: datetime,
    once: Once | None = None,
) -> IssuedSecret:
    """Make another secret under the same client id. The one that is there ends as `keep_old` says."""
    attempt = Attempt(actor, Action.API_SECRET_ISSUE, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, IssuedApiCredential)
        issued = claimed.answer
        if issued is None:
            issued = _replace_secret(act, credential_id, keep_old)
            settle(act, issued, secret=True)
            number = _announce(act, credential_id)
        else:
            number = changes.current(act.connection)
    return IssuedSecret(issued, revocation.await_reach(platform, number))


def delete_secret(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    credential_id: CredentialId,
    secret_id: str,
    *,
    keep_last: bool,
    now: datetime,
) -> ChangedApiCredential:
    """Delete a secret; with `keep_last` not the last usable one."""
    attempt = Attempt(actor, Action.API_SECRET_DELETE, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        found = _find(act, credential_id)
        secret = next((each for each in found.secrets if each.id == secret_id), None)
        if secret is None:
            raise Refusal(Code.NOT_FOUND, "The credential has no such secret.", field="secretId")
        rules.release_secret(found, secret, keep_last=keep_last, now=now)
        api_credentials.mark_secrets_deleted(act.connection, [secret_id], now=now)
        act.note(credential_id, _told(found.name, f"{secret.prefix}…"))
        number = _announce(act, credential_id)
        view = _view(_find(act, credential_id), _known(act))
    return ChangedApiCredential(view, revocation.await_reach(platform, number))


def _replace_secret(act: Act, credential_id: CredentialId, keep_old: OldSecret) -> IssuedApiCredential:
    found = _find(act, credential_id)
    rules.admit_secret(found, now=act.now)
    ends = {each: rules.end_of_old(each, keep_old, now=act.now) for each in found.usable_secrets(act.now)}
    for old, end in ends.items():
        api_credentials.set_secret_end(act.connection, old.id, end)
    ended = [each.id for each in found.secrets if each not in ends or keep_old is OldSecret.NOT_AT_ALL]
    api_credentials.mark_secrets_deleted(act.connection, ended, now=act.now)
    made, secret = _insert_secret(act, found)
    act.note(credential_id, _told(found.name, f"{made.prefix}…", *_fates(ends)))
    return IssuedApiCredential(_view(_find(act, credential_id), _known(act)), secret)


def _fates(ends: dict[ClientSecret, datetime | None]) -> list[str]:
    return [
        f"{old.prefix}… until {'it is deleted' if end is None else f'{end:%Y-%m-%dT%H:%M:%SZ}'}"
        for old, end in ends.items()
    ]


def _insert_secret(act: Act, owner: ApiCredential) -> tuple[ClientSecret, str]:
    prefix = rules.secret_prefix(owner.environment)
    secret = secret_text.write(prefix, act.platform.random(secret_text.RANDOM_BYTES))
    made = ClientSecret(act.platform.new_id(), secret[: len(prefix) + _SHOWN], act.now, expires_at=None)
    secret_hash = secret_text.keyed_hash(act.platform.pepper, secret)
    api_credentials.insert_secret(act.connection, owner, made, secret_hash=secret_hash)
    return made, secret


# --------------------------------------------------------------------------------------------------------------------


def _switch(platform: Platform, attempt: Attempt, credential_id: CredentialId, to: Status) -> ChangedApiCredential:
    with acting(platform, attempt) as act:
        found = _find(act, credential_id)
        number = changes.current(act.connection)
        act.note(credential_id, _told(found.name))
        if rules.switch(found, to, now=attempt.now):
            api_credentials.mark(act.connection, credential_id, to, now=attempt.now)
            number = _announce(act, credential_id)
        view = _view(_find(act, credential_id), _known(act))
    return ChangedApiCredential(view, revocation.await_reach(platform, number))


def _drafted(act: Act, new: NewApiCredential, known: Choices) -> ApiCredential:
    _check_grants(new.grants, known, new.environment, held=())
    row = Credential(
        id=CredentialId(act.platform.new_id()),
        organization_id=act.organization_id,
        kind=CredentialKind.CLIENT_SECRET,
        project_id=None,
        environment=new.environment,
        client_id=client_ids.write(act.platform.pepper, act.platform.random(client_ids.RANDOM_BYTES)),
        alias=usual_name(new.name),
        status=Status.ACTIVE,
        key_algorithm="",
        public_key_der=b"",
        spki_sha256="",
        certificate_der=b"",
        not_before=act.now,
        not_after=rules.check_end(new.ends_at, now=act.now),
        owner_id=act.actor.user_id,
        created_at=act.now,
    )
    note, networks = rules.check_note(new.note), rules.parse_networks(new.networks)
    return ApiCredential(row, 1, note, networks, act.now, new.grants, secrets=())


def _edited(found: ApiCredential, edit: ApiCredentialEdit, known: Choices, *, now: datetime) -> ApiCredential:
    _check_grants(edit.grants, known, found.environment, held=found.grants)
    not_after = found.credential.not_after
    if edit.ends_at != found.ends_at:
        not_after = rules.check_end(edit.ends_at, now=now)
    return replace(
        found,
        credential=replace(found.credential, alias=usual_name(edit.name), not_after=not_after),
        version=found.version + 1,
        note=rules.check_note(edit.note),
        networks=rules.parse_networks(edit.networks),
        updated_at=now,
        grants=edit.grants,
    )


def _check_grants(
    asked: Sequence[ApiGrant], known: Choices, environment: EnvironmentName, *, held: Sequence[ApiGrant]
) -> None:
    api_access.check(asked, known.offers, known.places, environment=environment, held=held)


def _known(act: Act) -> Choices:
    """All APIs and places that grants may name, those that are no longer offered too."""
    return Choices(api_offers.list_offers(act.connection), api_offers.list_places(act.connection, act.organization_id))


def _view(found: ApiCredential, known: Choices) -> ApiCredentialView:
    review = api_access.review(found.grants, known.offers, known.places, ends_at=found.ends_at, networks=found.networks)
    return ApiCredentialView(found, review)


def _find(act: Act, credential_id: CredentialId) -> ApiCredential:
    found = api_credentials.find(act.connection, act.organization_id, credential_id)
    if found is None:
        raise Refusal(Code.CREDENTIAL_NOT_FOUND, "The organization has no such API credential.", field="credentialId")
    return found


def _announce(act: Act, credential_id: CredentialId) -> ChangeNumber:
    return changes.record(act.connection, act.organization_id, changes.ChangeKind.CREDENTIAL, credential_id)


def _what_changed(before: ApiCredential, after: ApiCredential) -> str:
    told = [api_access.difference(before.grants, after.grants)]
    if before.name != after.name:
        told.append(f"was named {before.name}")
    if before.networks != after.networks:
        told.append(f"networks {', '.join(after.networks) or 'any'} instead of {', '.join(before.networks) or 'any'}")
    if before.ends_at != after.ends_at:
        told.append(f"ends {_moment(after.ends_at)} instead of {_moment(before.ends_at)}")
    if before.note != after.note:
        told.append("another note")
    return "; ".join(filter(None, told)) or "nothing changed"


def _moment(end: datetime | None) -> str:
    return "never" if end is None else f"{end:%Y-%m-%dT%H:%M:%SZ}"


def _told(*parts: str) -> str:
    return ": ".join(filter(None, parts))
