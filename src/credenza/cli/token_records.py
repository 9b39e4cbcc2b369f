"""What the token server needs of the management plane: the pepper, and the action that revokes a token.

Opened when it is first needed: a gate that nobody asks stays as small as it is.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from credenza.cli.installation import LateDatabase
from credenza.domain import secret_text
from credenza.domain.tokens import RevokedToken
from credenza.settings import Settings

if TYPE_CHECKING:
    from credenza.actions.context import Platform


class TokenRecords:
    def __init__(self, settings: Settings, database: LateDatabase) -> None:
        self._settings = settings
        self._database = database
        self._opening = Lock()
        self._opened: Platform | None = None

    async def hash_secret(self, secret: str) -> str:
        platform = self._opened
        if platform is None:
            platform = await asyncio.to_thread(self._platform)
        return secret_text.keyed_hash(platform.pepper, secret)

    async def revoke(self, token: RevokedToken, *, client_id: str) -> None:
        """Revoke a token; returns when no gate admits it any more. Raises GateClosed."""
        await asyncio.to_thread(self._revoke, token, client_id)

    def _platform(self) -> Platform:
        with self._opening:
            if self._opened is None:
                self._opened = _actions().open_platform(self._settings, self._database)
            opened: Platform = self._opened
            return opened

    def _revoke(self, token: RevokedToken, client_id: str) -> None:
        _actions().revoke(self._platform(), token, client_id=client_id)


def _actions() -> ModuleType:
    return import_module("credenza.cli.token_actions")
