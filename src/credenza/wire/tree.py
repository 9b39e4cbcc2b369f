"""The tree of an organization: accounts, and the workspaces in them."""

from __future__ import annotations

from credenza.wire.shape import AnswerShape, Moment, Name, RequestShape, Uuid


class NewAccount(RequestShape):
    name: Name


class AccountEdit(RequestShape):
    name: Name


class Account(AnswerShape):
    id: str
    name: str
    created_at: Moment


class NewWorkspace(RequestShape):
    account_id: Uuid
    name: Name


class WorkspaceEdit(RequestShape):
    name: Name


class WorkspaceMove(RequestShape):
    """The account that a workspace is put into."""

    account_id: Uuid


class Workspace(AnswerShape):
    id: str
    account_id: str
    name: str
    created_at: Moment
