"""Refuses to build a wheel without the browser code that pages load: hatchling would leave it out and say nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = "src/credenza/portal/static/htmx.js"


class PortalAssets(BuildHookInterface):
    def initialize(self, version: str, _build_data: dict[str, Any]) -> None:
        if version != "editable" and not Path(self.root, BUILT).exists():
            raise FileNotFoundError(f"{BUILT} is not there: `scripts/setup assets` makes it")
