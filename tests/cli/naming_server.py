"""`credenza`, which names at its end every module that it holds, one line each."""

from __future__ import annotations

import atexit
import sys

from credenza.cli.main import main

if __name__ == "__main__":
    atexit.register(lambda: print(*sys.modules, sep="\n", flush=True))
    sys.exit(main())
