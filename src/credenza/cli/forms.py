"""A connection on which short forms are answered at once, and what has no body as in `cli.quick`.

A form that comes whole, with its head, is handed to the application in the moment when it is complete; whatever comes
in parts, in chunks or while another request is under way goes uvicorn's way from its first byte.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from credenza.cli.connection import Connection, Headers
from credenza.cli.quick import QuickConnection
from credenza.gate.answers import Reply

Answer: TypeAlias = Reply | Coroutine[None, None, Reply] | None
Client: TypeAlias = tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Forms:
    """`targets` are those whose forms, of at most `longest` bytes, `answer` takes: the target, the header fields, the
    body, the scheme and the client's address. `get` takes the same of a GET, which has no body. What they answer with
    None goes uvicorn's way."""

    targets: frozenset[bytes]
    longest: int
    answer: Callable[[bytes, Headers, bytes, str, Client], Answer]
    get: Callable[[bytes, Headers, str, Client], Answer] | None = None


class FormConnection(QuickConnection):
    __slots__ = ("_form", "_forms")

    def __init__(self, *arguments: Any, forms: Forms, **named: Any) -> None:
        super().__init__(*arguments, at_once=self._get, **named)
        self._forms = forms
        self._form: bytes | None = None

    def data_received(self, data: bytes) -> None:
        QuickConnection.data_received(self, data)
        if self._form is not None:
            self._pass_on(None)

    def on_headers_complete(self) -> None:
        if self._is_short_form():
            self._form = b""
            self._unread_bytes = 0  # as in the class above: from here on it is a body
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._form is None:
            super().on_body(body)
        else:
            self._form += body

    def on_message_complete(self) -> None:
        if self._form is not None:
            self._end_form(self._form)
        super().on_message_complete()

    def _is_short_form(self) -> bool:
        """Whether all that is to come is a form whose length is known. One that is not sent yet, waiting for 100, a
        client that does not read, and one with a certificate, which travels in a scope, are uvicorn's."""
        if self.url not in self._forms.targets or self._unfinished_cycle is not None or self.flow.write_paused:
            return False
        if (
            self.client_certificate
            or self._is_awaiting_100()
            or self.parser.get_method() != b"POST"
            or self.parser.should_upgrade()
        ):
            return False
        lengths = [value for name, value in self.headers if name in (b"content-length", b"transfer-encoding")]
        return len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0][:9]) <= self._forms.longest

    def _end_form(self, form: bytes) -> None:
        answer = self._answer_to(form)
        if isinstance(answer, Reply):
            self._form = None
            self._answer(answer)
        else:
            self._pass_on(answer)

    def _get(self, target: bytes, headers: Headers, scheme: str) -> Answer:
        return None if self._forms.get is None else self._forms.get(target, headers, scheme, self.client)

    def _answer_to(self, form: bytes) -> Answer:
        try:
            return self._forms.answer(self.url, self.headers, form, self.scheme or "http", self.client)
        except Exception as error:  # noqa: BLE001 - thrown here it would look like a fault of the request
            return _fail(error)

    def _pass_on(self, promised: Coroutine[None, None, Reply] | None) -> None:
        """Have uvicorn do what it does when headers are complete, and give it what there is of the body."""
        form, self._form = self._form, None
        self._promised = promised
        self._make_scope()
        Connection.on_headers_complete(self)
        if form:
            super().on_body(form)


async def _fail(error: Exception) -> Reply:
    """uvicorn logs what a task raises, and answers 500."""
    raise error
