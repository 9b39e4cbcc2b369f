"""Who calls with a key or a certificate, below what is shown of it."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from credenza.cli import output
from credenza.wire.refusals import Caller

_COLUMNS = ("address", "userAgent", "serviceId", "admitted", "refused", "lastSeenAt")


def show(context: typer.Context, found: Sequence[Caller], *, called_with: str) -> None:
    print("\nCallers" if found else f"\nNobody has called with this {called_with} yet.")
    if found:
        output.show_list(context, found, columns=_COLUMNS)
