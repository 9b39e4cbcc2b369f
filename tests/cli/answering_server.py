"""A server for `credenza call` to talk to: it answers what it got, refuses below /refused as a gate does, and tells why
at the path of the management API. It has metadata as the issuer SERVER/refused, and those of another as SERVER/copied.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

from credenza.client.metadata import WELL_KNOWN

REFUSAL = {
    "Source": "Gateway",
    "ReasonCode": "AUTHENTICATION_FAILED",
    "Description": "The signature does not match.",
    "Recoverable": False,
    "Details": None,
}

UNKNOWN = REFUSAL | {"ReasonCode": "NOT_FOUND", "Description": "There is no such refusal."}
EXPLAINED = {
    "id": "0f8e-refused",
    "projectId": None,
    "credentialId": f"{7:032x}{'0' * 16}",
    "at": "2025-01-31T12:00:00Z",
    "code": "revoked",
    "explanation": {
        "method": "GET",
        "target": "/refused",
        "steps": [
            {"name": "header", "ok": True},
            {
                "name": "key",
                "ok": False,
                "expected": "an ACTIVE key",
                "received": "a key that is revoked",
                "hint": "Use another key of the project, or add one.",
            },
            {"name": "environment", "ok": None},
            {"name": "x-jws-signature", "ok": None, "asked": False},
        ],
        "baseStrings": [{"reading": "mastercard", "text": "GET&https%3A%2F%2Fapi.example.com%2Frefused&..."}],
    },
}


class _Answering(BaseHTTPRequestHandler):
    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/refused"):
            self._answer(403, {"Errors": {"Error": [REFUSAL]}}, {"Credenza-Refusal-Id": "0f8e-refused"})
        elif self.path == "/api/refusals/0f8e-refused":
            self._answer(200, EXPLAINED, {})
        elif self.path == f"{WELL_KNOWN}/refused":
            self._answer(200, self._metadata(self.headers["Host"]), {})
        elif self.path == f"{WELL_KNOWN}/copied":
            self._answer(200, self._metadata("elsewhere"), {})
        elif self.path.startswith("/api/"):
            self._answer(404, {"Errors": {"Error": [UNKNOWN]}}, {})
        elif self.path.startswith("/broken"):
            self._answer(502, "\x1b[31mbad gateway", {})
        else:
            self._answer(200, {"target": self.path, "type": self.headers["Content-Type"], "body": body.decode()}, {})

    do_GET = do_POST = do_PUT = _take  # noqa: N815 - http.server looks for these names

    def _answer(self, status: int, document: object, headers: dict[str, str]) -> None:
        octets = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        for name, value in {"Content-Length": str(len(octets)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)

    @staticmethod
    def _metadata(host: str) -> dict[str, str]:
        issuer = f"http://{host}/refused"
        return {"issuer": issuer, "token_endpoint": f"{issuer}/oauth/token"}

    def log_message(self, *_: object) -> None:
        """The access log would only disturb."""


class AnsweringServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
