"""One process of `credenza serve --workers N`, started with its parent's sockets: `python -m credenza.cli.worker`.

Not for people, and so no command: without the command line it is smaller and starts sooner.
"""

from __future__ import annotations

import os
import socket
import sys

if __name__ == "__main__":
    # structlog imports rich where it is installed, 5 MB, to colour what the log of a server does not have. None is
    # Python's own word for a module that is not to be had (import system, 5.3.1).
    sys.modules["rich"] = None  # type: ignore[assignment]

import msgspec

from credenza.cli import installation, logs
from credenza.cli.ending import ending
from credenza.cli.failure import ExitCode
from credenza.cli.roles import Role
from credenza.cli.serve import Started, serve_here


def serve(role: Role, descriptors: str) -> int:
    """Serve on sockets that were bound by the parent; `descriptors` is JSON, listener to file descriptor."""
    os.umask(0o077)
    settings = installation.load_settings()
    logs.configure(settings.log_level)
    numbers = msgspec.json.decode(descriptors, type=dict[str, int])
    serve_here(Started(settings, role, {name: socket.socket(fileno=number) for name, number in numbers.items()}))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(ending(lambda: serve(Role(sys.argv[1]), sys.argv[2])))
