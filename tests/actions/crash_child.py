"""A process that asks for one action and is killed on the way: python -m tests.actions.crash_child FILE FAILPOINT

FILE holds a pickled `Errand`. This is the composition root of the crash tests: it alone gives a platform a failpoint
that kills (settled 31).
"""

import os
import pickle
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.actions.repeatable import Request
from tests.actions.stage import new_platform

from credenza.actions.once import Once
from credenza.store.engine import open_database


@dataclass(frozen=True, slots=True)
class Errand:
    url: str
    request: Request
    once: Once


def main(errand: Errand, failpoint: str) -> None:
    def kill(reached: str) -> None:
        if reached == failpoint:
            os.kill(os.getpid(), signal.SIGKILL)

    platform = new_platform(open_database(errand.url), now=errand.request.clock.now(), failpoint=kill)
    errand.request.ask(platform, errand.once)


if __name__ == "__main__":
    main(pickle.loads(Path(sys.argv[1]).read_bytes()), sys.argv[2])
