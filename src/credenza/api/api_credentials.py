"""API credentials over HTTP: client ids with their secrets, and what they may do where (product rows D1-D8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response

from credenza.actions import api_credentials
from credenza.actions.api_credentials import (
    ApiCredentialEdit,
    ApiCredentialView,
    ChangedApiCredential,
    IssuedApiCredential,
    NewApiCredential,
)
from credenza.api import answers, paging
from credenza.api.asked import Asked, Caller, OrganizationPath
from credenza.api.credentials import KeepLast
from credenza.api.idempotency import Repeatable
from credenza.domain.api_access import Clause, Offer, Place
from credenza.domain.api_credentials import (
    ApiCredentialOrder,
    ApiCredentialQuery,
    ApiCredentialState,
    ApiGrant,
    OldSecret,
)
from credenza.domain.expiry import is_expiring
from credenza.domain.model import CredentialId, EnvironmentName, OrganizationId, Reach, ServiceId, Status
from credenza.wire import api_credentials as wire
from credenza.wire import catalog, shape

_USUAL_PAGE = 50

ApiCredentialPath = Annotated[shape.Uuid, Path(alias="api_credential_id")]
SecretPath = Annotated[shape.Uuid, Path(alias="client_secret_id")]
ListedState = Literal["all", "active", "inactive", "expiring", "expired"]
ListOrder = Literal["name", "-name", "ends", "-ends"]


def list_page(
    asked: Caller,
    organization_id: OrganizationPath,
    request: Request,
    response: Response,
    state: Annotated[ListedState, Query(description="`expiring`: active, and ending within 90 days.")] = "all",
    environment: Annotated[shape.EnvironmentName | None, Query()] = None,
    service_id: Annotated[int | None, Query(alias="serviceId", ge=1, le=2_147_483_647)] = None,
    text: Annotated[
        str, Query(max_length=120, description="A part of the name, or the beginning of the client id.")
    ] = "",
    order: Annotated[ListOrder, Query()] = "name",
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.ApiCredential]:
    """List the organization's API credentials, without their secrets."""
    wanted = ApiCredentialQuery(
        state=ApiCredentialState(state),
        environment=None if environment is None else EnvironmentName(environment),
        service_id=None if service_id is None else ServiceId(service_id),
        text=text,
        order=ApiCredentialOrder(order),
        after=cursor or "",
        limit=limit + 1,
    )
    found = api_credentials.list_page(*_in(asked, organization_id), wanted, now=asked.now)
    shown = paging.page(request, response, found, limit, lambda each: each.credential.id)
    return [_shown(each, now=asked.now) for each in shown]


def choices(asked: Caller, organization_id: OrganizationPath) -> wire.ApiChoices:
    """List the APIs that an API credential can be granted, and the places it can be granted them for."""
    found = api_credentials.list_choices(*_in(asked, organization_id), now=asked.now)
    return wire.ApiChoices(
        apis=tuple(map(_offered, found.offers)),
        places=tuple(map(_place, found.places)),
    )


def create(
    asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewApiCredential
) -> wire.IssuedApiCredential:
    """Make an API credential. Its client secret is shown this once."""
    wanted = NewApiCredential(environment=EnvironmentName(new.environment), **_facts(new))
    issued = api_credentials.create(*_in(asked, organization_id), wanted, now=asked.now, once=once)
    return _issued(issued, now=asked.now)


def get(asked: Caller, organization_id: OrganizationPath, credential_id: ApiCredentialPath) -> wire.ApiCredential:
    found = api_credentials.get(*_in(asked, organization_id), CredentialId(credential_id), now=asked.now)
    return _shown(found, now=asked.now)


def edit(
    asked: Caller,
    organization_id: OrganizationPath,
    credential_id: ApiCredentialPath,
    edit: wire.ApiCredentialEdit,
    response: Response,
) -> wire.ApiCredential:
    """Replace all that can be edited. An edit of an older version than there is changes nothing: 409 EDITED_MEANWHILE.
    The answer comes when no gate goes by what was before."""
    place = (*_in(asked, organization_id), CredentialId(credential_id))
    changed = api_credentials.edit(*place, ApiCredentialEdit(version=edit.version, **_facts(edit)), now=asked.now)
    return _changed(changed, response, now=asked.now)


def activate(
    asked: Caller, organization_id: OrganizationPath, credential_id: ApiCredentialPath, response: Response
) -> wire.ApiCredential:
    """Switch an API credential on again."""
    place = (*_in(asked, organization_id), CredentialId(credential_id))
    return _changed(api_credentials.activate(*place, now=asked.now), response, now=asked.now)


def deactivate(
    asked: Caller, organization_id: OrganizationPath, credential_id: ApiCredentialPath, response: Response
) -> wire.ApiCredential:
    """Switch an API credential off, with every token got with it; the answer comes when no gate admits one any more."""
    place = (*_in(asked, organization_id), CredentialId(credential_id))
    return _changed(api_credentials.deactivate(*place, now=asked.now), response, now=asked.now)


def delete(asked: Caller, organization_id: OrganizationPath, credential_id: ApiCredentialPath) -> Response:
    """Delete an API credential for good; the answer comes when no gate admits it any more."""
    place = (*_in(asked, organization_id), CredentialId(credential_id))
    return answers.reach(api_credentials.delete(*place, now=asked.now))


def issue_secret(
    asked: Caller,
    once: Repeatable,
    organization_id: OrganizationPath,
    credential_id: ApiCredentialPath,
    new: wire.NewClientSecret,
    response: Response,
) -> wire.IssuedApiCredential:
    """Make another client secret, shown this once, under the same client id. The old one ends as `keepOld` says."""
    place = (*_in(asked, organization_id), CredentialId(credential_id))
    made = api_credentials.issue_secret(*place, keep_old=OldSecret(new.keep_old), now=asked.now, once=once)
    _tell(response, made.reach)
    return _issued(made.issued, now=asked.now)


def delete_secret(
    asked: Caller,
    organization_id: OrganizationPath,
    credential_id: ApiCredentialPath,
    secret_id: SecretPath,
    keep_last: KeepLast = "false",
) -> Response:
    """Delete a client secret; the answer comes when no gate takes it any more."""
    place = (*_in(asked, organization_id), CredentialId(credential_id), secret_id)
    return answers.reach(api_credentials.delete_secret(*place, keep_last=keep_last == "true", now=asked.now).reach)


def _in(asked: Asked, organization_id: str) -> tuple[Any, Any, OrganizationId]:
    return asked.platform, asked.actor, OrganizationId(organization_id)


def _facts(asked: wire.NewApiCredential | wire.ApiCredentialEdit) -> dict[str, Any]:
    return {
        "name": asked.name,
        "note": asked.note,
        "networks": asked.networks,
        "ends_at": asked.ends_at,
        "grants": tuple(
            ApiGrant(ServiceId(each.service_id), frozenset(each.permissions), frozenset(each.places))
            for each in asked.grants
        ),
    }


def _changed(changed: ChangedApiCredential, response: Response, *, now: datetime) -> wire.ApiCredential:
    _tell(response, changed.reach)
    return _shown(changed.view, now=now)


def _tell(response: Response, reach: Reach) -> None:
    """Say how far a change has got as a revocation does (row E4), beside the answer."""
    told = answers.reach(reach).headers
    response.headers.update({name: told[name] for name in ("Credenza-Reach", "Credenza-Reach-Milliseconds")})


def _issued(issued: IssuedApiCredential, *, now: datetime) -> wire.IssuedApiCredential:
    return wire.IssuedApiCredential(client_secret=issued.secret, **dict(_shown(issued.view, now=now)))


def _shown(view: ApiCredentialView, *, now: datetime) -> wire.ApiCredential:
    found, status = view.credential, view.credential.status_at(now)
    return wire.ApiCredential(
        id=found.id,
        name=found.name,
        environment=found.environment.value,
        client_id=found.client_id,
        status=status.value,
        expiring=status is Status.ACTIVE and is_expiring(found.credential.not_after, now=now),
        review=str(view.review),
        grants=tuple(map(_granted, view.review.clauses)),
        networks=found.networks,
        note=found.note,
        ends_at=found.ends_at,
        secrets=tuple(map(wire.ClientSecret.model_validate, found.secrets)),
        version=found.version,
        owner_id=found.credential.owner_id,
        created_at=found.credential.created_at,
        updated_at=found.updated_at,
    )


def _granted(clause: Clause) -> wire.GrantedApi:
    return wire.GrantedApi(
        service_id=clause.service_id,
        api=clause.api,
        permissions=tuple(map(catalog.Permission.model_validate, clause.permissions)),
        level=clause.level.value,
        fixed=clause.fixed,
        places=tuple(map(_place, clause.places)),
    )


def _offered(offer: Offer) -> wire.OfferedApi:
    return wire.OfferedApi(
        service_id=offer.service_id,
        name=offer.name,
        level=offer.level.value,
        fixed=offer.fixed,
        permissions=tuple(map(catalog.Permission.model_validate, offer.permissions)),
        environments=tuple(each.value for each in EnvironmentName if each in offer.environments),
    )


def _place(place: Place) -> wire.Place:
    return wire.Place.model_validate(place)
