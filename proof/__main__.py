"""`python -m proof [R3,R5]`: proves the claims whose ids begin so, or all, and brings docs/proof.md up to date.

What has been shown is kept in build/proof.json: a run that is broken off goes on where it was. After a run in which all
held the next begins anew, and so does `python -m proof --again`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import tables

from proof.claim import Broken, Claim
from proof.claims import CLAIMS

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "proof.md"
_STATE = _ROOT / "build" / "proof.json"
_COLUMNS = ("id", "claim", "volume", "result", "date", "command")
_HEADING = """
# What was proven, and how often

Written by `make proof`, which starts real servers by the real command line and really kills them; `make test` runs the
same functions at about a hundredth of the volume. R1 to R17 are the failure scenarios of the security document.

Limits of one machine: no power cut (R6 builds the files that one would leave), no partition by the kernel (R2 cuts a
TCP relay), no full device (R7 limits the size of files). All nodes share {cores} cores: this shows what is right, not
how fast it is.

Last run: {cores} cores, Python {python}.
"""


def main(arguments: Sequence[str]) -> int:
    again = "--again" in arguments
    # Ids have spaces: make proof ROWS="CHANGED TOKENS,R3"
    named = " ".join(each for each in arguments if each != "--again")
    wanted = [name.strip() for name in named.upper().split(",") if name.strip()]
    claims = [each for each in CLAIMS if not wanted or each.id.upper().startswith(tuple(wanted))]
    if not claims:
        _say(f"proof: no claim begins with {', '.join(wanted)}; there are {', '.join(each.id for each in CLAIMS)}")
        return 2
    shown: list[str] = [] if again or not _STATE.exists() else json.loads(_STATE.read_text())
    command = f"make proof ROWS={','.join(wanted)}" if wanted else "make proof"
    broken = 0
    for claim in claims:
        if claim.id in shown:
            _say(f"{claim.id}: shown before the run was broken off")
        elif _prove(claim, command):
            _keep([*shown, claim.id])
            shown.append(claim.id)
        else:
            broken += 1
    if not broken:
        _STATE.unlink(missing_ok=True)
    return 1 if broken else 0


def _prove(claim: Claim, command: str) -> bool:
    _say(f"{claim.id}: {claim.volume:,} {claim.unit}")
    started = time.monotonic()
    try:
        result, held = claim.prove(claim.volume), True
    except Broken as verdict:
        result, held = f"BROKEN: {verdict}", False
    print(f"{claim.id}: {result} ({time.monotonic() - started:.0f} s)", flush=True)
    volume = f"{claim.volume:,} {claim.unit}"
    tables.write(
        _PAGE,
        heading=_HEADING.format(cores=len(os.sched_getaffinity(0)), python=platform.python_version()),
        columns=_COLUMNS,
        order=[each.id for each in CLAIMS],
        measured={claim.id: [(claim.id, claim.promise, volume, result, f"{datetime.now(UTC):%Y-%m-%d}", command)]},
    )
    return held


def _keep(shown: Sequence[str]) -> None:
    _STATE.parent.mkdir(exist_ok=True)
    _STATE.write_text(json.dumps(shown))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
