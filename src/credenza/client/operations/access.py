"""What calls the management API itself: access tokens and account-level keys."""

from __future__ import annotations

from credenza.client.operations.answers import many, nothing, one, reach
from credenza.client.operations.operation import Operation, query_of
from credenza.wire.credentials import AccountKey, NewKey, Reach
from credenza.wire.tokens import AccessToken, IssuedAccessToken, NewAccessToken


def list_access_tokens(organization_id: str) -> Operation[tuple[AccessToken, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/access-tokens", many(AccessToken))


def create_access_token(organization_id: str, new: NewAccessToken) -> Operation[IssuedAccessToken]:
    return Operation("POST", f"/api/organizations/{organization_id}/access-tokens", one(IssuedAccessToken), body=new)


def revoke_access_token(organization_id: str, token_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/access-tokens/{token_id}", nothing)


def list_api_keys(organization_id: str) -> Operation[tuple[AccountKey, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/api-keys", many(AccountKey))


def add_api_key(organization_id: str, new: NewKey) -> Operation[AccountKey]:
    return Operation("POST", f"/api/organizations/{organization_id}/api-keys", one(AccountKey), body=new)


def revoke_api_key(organization_id: str, key_id: str, *, reason: str = "") -> Operation[Reach]:
    path = f"/api/organizations/{organization_id}/api-keys/{key_id}"
    return Operation("DELETE", path, reach, query=query_of(reason=reason or None))
