"""The stage on which the journeys of the action level are told."""

from tests.actions.conftest import logs, open_shops, stage

__all__ = ["logs", "open_shops", "stage"]
