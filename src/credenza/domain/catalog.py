"""What a service that takes client secrets offers (product rows D2 to D4), and what a call with one may do (D10).

A service has permissions, routes that need one each, and a level of the tree at which scope is chosen. The order of
use: `catalog_paths.Matcher.match` says which route a call takes, `decide` whether what a credential was granted covers
it. Both are pure and quick enough for every call. What may be written into a catalog is `catalog_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

TOKEN_LIFE_S = 3600
"""Of a token that was got with a client secret, unless its service says otherwise (settled 11)."""


class ScopeLevel(StrEnum):
    """The level of the tree at which scope is chosen."""

    ORGANIZATION = "ORGANIZATION"
    ACCOUNT = "ACCOUNT"
    WORKSPACE = "WORKSPACE"


@dataclass(frozen=True, slots=True)
class Permission:
    """`name` is what a credential is granted: `read`. None holds another; whoever writes and reads is granted both."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class RouteRule:
    """Calls of this method to this path need that permission.

    `path` is a template below the service's path prefix: `/v1/workspaces/{workspace}/profiles/{id}`. The variables say
    which of its variables name the account and the workspace that a call is about; None where none does.
    """

    method: str
    path: str
    permission: str
    account_variable: str | None = None
    workspace_variable: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """What client secrets need to know of a service. The one of a service that takes none is `NO_ENTRY`.

    `scope_fixed`: scope is all places of the level, present and future, and nothing is chosen; at the level of the
    organization it always is. `audience` is what tokens for it are asked for; empty: the origin of the environment.
    `calls_per_minute` counts for each credential; None: unlimited. `admits_unmapped`: calls to paths that no route
    stands for need no permission beyond any at all, and no scope.
    """

    scope_level: ScopeLevel | None = None
    scope_fixed: bool = False
    audience: str = ""
    token_life_s: int = TOKEN_LIFE_S
    calls_per_minute: int | None = None
    admits_unmapped: bool = False
    permissions: tuple[Permission, ...] = ()
    routes: tuple[RouteRule, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether nothing is chosen: what is granted holds at every place of the organization."""
        return self.scope_fixed or self.scope_level is ScopeLevel.ORGANIZATION

    def offers(self, permission: str) -> bool:
        return any(each.name == permission for each in self.permissions)


NO_ENTRY = CatalogEntry()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a credential was granted at one service: `places` are the ids of the accounts or workspaces that were
    chosen, whichever the service's level asks for; none where nothing is chosen."""

    permissions: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()


NOTHING = Grant()


@dataclass(frozen=True, slots=True)
class Tree:
    """An organization's live accounts, and the account of each of its live workspaces. What is archived, made up or
    another organization's is not in it."""

    accounts: frozenset[str]
    account_of: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Matched:
    """The route that a call takes. `account_id` and `workspace_id` are what the path says, None where it says none.
    `variables` are in the order of the template, spelt plainly: only characters that must be are escaped."""

    rule: RouteRule
    account_id: str | None = None
    workspace_id: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unmapped:
    """No route stands for the call's path."""


@dataclass(frozen=True, slots=True)
class OtherMethod:
    """Routes stand for the path, and none of them for the method: refused, also where unmapped calls are admitted.
    Whoever wrote a path into the catalog guards it, whatever is done there."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Programs may disagree about which route the call takes: it is refused, mapped or not. `reason` is for whoever
    called."""

    reason: str


@dataclass(frozen=True, slots=True)
class Allowed:
    pass


@dataclass(frozen=True, slots=True)
class MissingPermission:
    """The credential lacks a permission: 403. No `name`: it was granted none at this service."""

    name: str


@dataclass(frozen=True, slots=True)
class OutsideScope:
    """The place is the organization's own, and was not chosen for the credential: 403."""

    place_id: str


@dataclass(frozen=True, slots=True)
class NotInTree:
    """The place is none of the organization's live ones: 404, and nobody learns whether it is another's."""


Match: TypeAlias = Matched | Unmapped | OtherMethod | Unclear
Decision: TypeAlias = Allowed | MissingPermission | OutsideScope | NotInTree | Unmapped | OtherMethod | Unclear

ALLOWED = Allowed()
UNMAPPED = Unmapped()
OTHER_METHOD = OtherMethod()
NOT_IN_TREE = NotInTree()


def decide(entry: CatalogEntry, grant: Grant, match: Match, tree: Tree) -> Decision:
    """Say whether a credential that was granted this at the service may make the call.

    The permission comes first: whoever lacks it learns nothing about places. Then the tree, then what was chosen.
    """
    if isinstance(match, Unclear | OtherMethod):
        return match
    if isinstance(match, Unmapped):
        return _unmapped(entry, grant)
    if match.rule.permission not in grant.permissions:
        return MissingPermission(match.rule.permission)
    if not _in_tree(match, tree):
        return NOT_IN_TREE
    if entry.everywhere or _is_chosen(entry, grant, match, tree):
        return ALLOWED
    return OutsideScope(match.workspace_id or match.account_id or "")


def _unmapped(entry: CatalogEntry, grant: Grant) -> Decision:
    if not entry.admits_unmapped:
        return UNMAPPED
    return ALLOWED if grant.permissions else MissingPermission("")


def _in_tree(match: Matched, tree: Tree) -> bool:
    if match.account_id is not None and match.account_id not in tree.accounts:
        return False
    if match.workspace_id is None:
        return True
    account = tree.account_of.get(match.workspace_id)
    return account is not None and match.account_id in (None, account)


def _is_chosen(entry: CatalogEntry, grant: Grant, match: Matched, tree: Tree) -> bool:
    """A route that names no place needs no scope. One that names an account is open to a credential that was given a
    workspace there: such a route is about the account that the workspace lies in, and what it shows of its other
    workspaces is for the catalog's author to know."""
    if match.workspace_id is not None:
        chosen = (
            match.workspace_id if entry.scope_level is ScopeLevel.WORKSPACE else tree.account_of[match.workspace_id]
        )
        return chosen in grant.places
    if match.account_id is None:
        return True
    if entry.scope_level is ScopeLevel.ACCOUNT:
        return match.account_id in grant.places
    return any(tree.account_of.get(place) == match.account_id for place in grant.places)
