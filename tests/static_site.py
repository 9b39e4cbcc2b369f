"""A small web server for tests of the browser and of modules that run in it: each path has a fixed answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.servers import HOST

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css"}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'"


@dataclass(frozen=True, slots=True)
class Site:
    port: int

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def static_site(files: Mapping[str, str | Path], *, policy: str = POLICY) -> Iterator[Site]:
    """Serve texts and files by path, such as {"/": "<p>hello"}; a directory is served with what it holds."""
    server = ThreadingHTTPServer((HOST, 0), _answering(dict(_read(files)), policy))
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Site(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _read(files: Mapping[str, str | Path]) -> Iterator[tuple[str, tuple[str, bytes]]]:
    for path, found in files.items():
        if isinstance(found, str):
            yield path, (TYPES[Path(path).suffix or ".html"], found.encode())
            continue
        for file in [found] if found.is_file() else sorted(found.rglob("*.*")):
            below = "" if found.is_file() else f"/{file.relative_to(found)}"
            yield path + below, (TYPES[file.suffix], file.read_bytes())


def _answering(answers: dict[str, tuple[str, bytes]], policy: str) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content_type, content = answers.get(self.path, ("text/plain", b"not found"))
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing: requests are counted in the browser."""

    return Answering
