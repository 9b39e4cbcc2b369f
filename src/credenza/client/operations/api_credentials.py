"""API credentials and their secrets."""

from __future__ import annotations

from credenza.client.operations.answers import one, page, reach, reached
from credenza.client.operations.operation import Operation, Page, Reached, query_of
from credenza.wire.api_credentials import (
    ApiChoices,
    ApiCredential,
    ApiCredentialEdit,
    IssuedApiCredential,
    KeepOld,
    NewApiCredential,
    NewClientSecret,
)
from credenza.wire.credentials import Reach
from credenza.wire.shape import EnvironmentName


def list_api_credentials(
    organization_id: str,
    *,
    state: str | None = None,
    environment: EnvironmentName | None = None,
    service_id: int | None = None,
    text: str | None = None,
    order: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[ApiCredential]]:
    """`state`: all, active, inactive, expiring or expired. `order`: name or ends, the other way with a minus."""
    query = query_of(state=state, environment=environment, text=text, order=order, limit=limit, cursor=cursor)
    query = {**query, **query_of(serviceId=service_id)}
    return Operation("GET", _api_credentials(organization_id), page(ApiCredential), query=query)


def list_api_choices(organization_id: str) -> Operation[ApiChoices]:
    """What an API credential can be granted, and where."""
    return Operation("GET", f"/api/organizations/{organization_id}/api-choices", one(ApiChoices))


def create_api_credential(organization_id: str, new: NewApiCredential) -> Operation[IssuedApiCredential]:
    return Operation("POST", _api_credentials(organization_id), one(IssuedApiCredential), body=new)


def get_api_credential(organization_id: str, credential_id: str) -> Operation[ApiCredential]:
    return Operation("GET", f"{_api_credentials(organization_id)}/{credential_id}", one(ApiCredential))


def edit_api_credential(
    organization_id: str, credential_id: str, edit: ApiCredentialEdit
) -> Operation[Reached[ApiCredential]]:
    """Replace all that can be edited; 409 EDITED_MEANWHILE when somebody else was faster."""
    path = f"{_api_credentials(organization_id)}/{credential_id}"
    return Operation("PUT", path, reached(ApiCredential), body=edit)


def activate_api_credential(organization_id: str, credential_id: str) -> Operation[Reached[ApiCredential]]:
    path = f"{_api_credentials(organization_id)}/{credential_id}/activate"
    return Operation("POST", path, reached(ApiCredential))


def deactivate_api_credential(organization_id: str, credential_id: str) -> Operation[Reached[ApiCredential]]:
    path = f"{_api_credentials(organization_id)}/{credential_id}/deactivate"
    return Operation("POST", path, reached(ApiCredential))


def delete_api_credential(organization_id: str, credential_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"{_api_credentials(organization_id)}/{credential_id}", reach)


def issue_client_secret(
    organization_id: str, credential_id: str, *, keep_old: KeepOld = "24h"
) -> Operation[Reached[IssuedApiCredential]]:
    path = f"{_api_credentials(organization_id)}/{credential_id}/secrets"
    return Operation("POST", path, reached(IssuedApiCredential), body=NewClientSecret(keepOld=keep_old))


def delete_client_secret(
    organization_id: str, credential_id: str, secret_id: str, *, keep_last: bool = False
) -> Operation[Reach]:
    """With `keep_last` the last usable secret is not deleted: 409 LAST_ACTIVE_CREDENTIAL."""
    path = f"{_api_credentials(organization_id)}/{credential_id}/secrets/{secret_id}"
    return Operation("DELETE", path, reach, headers={"Credenza-Keep-Last": "true"} if keep_last else {})


def _api_credentials(organization_id: str) -> str:
    return f"/api/organizations/{organization_id}/api-credentials"
