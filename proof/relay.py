"""A wire that can be cut: a TCP relay between a gate and its database, for machines where namespaces need root."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.servers import HOST

_CHUNK = 65_536


class Relay:
    """Relays connections to `port`. While it is cut, bytes wait and nobody is told, as on a dead link."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self._whole = threading.Event()
        self._whole.set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._whole.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered
        self._selector.close()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def _run(self) -> None:
        while not self._closing:
            self._whole.wait()
            for key, _ in self._selector.select(timeout=0.05):
                if not self._whole.is_set():
                    break
                if key.data is None:
                    self._accept()
                else:
                    self._pass_on(key.fileobj, key.data)  # type: ignore[arg-type]

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection((HOST, self._target))
        for one, other in ((near, far), (far, near)):
            self._selector.register(one, selectors.EVENT_READ, other)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            if chunk := source.recv(_CHUNK):
                sink.sendall(chunk)
                return
        for each in (source, sink):
            with suppress(KeyError, ValueError):  # the other end was first
                self._selector.unregister(each)
            each.close()
