"""The stage on which the journeys of the action level are told."""

from tests.actions.conftest import logs, stage

__all__ = ["logs", "stage"]
