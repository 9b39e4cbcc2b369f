"""Clients of the management API, sync and async, over httpx.

    with ManagementClient("https://desk.example.com", TokenAuth(token)) as client:
        for project in client.each(operations.list_projects):
            ...

What can be asked is in `operations`; what comes back are the shapes of `credenza.wire`. Refusals are `ApiError`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx

from credenza.client.errors import check
from credenza.client.operations import Operation, Page

DEADLINE_S = 30.0
"""A revocation may wait for a whole lease of a silent gate."""

_PAGE = 100

Result = TypeVar("Result")
Item = TypeVar("Item")


class Paged(Protocol[Item]):
    """An operation that lists in pages, its other arguments bound."""

    def __call__(self, *, limit: int | None, cursor: str | None) -> Operation[Page[Item]]: ...


class ManagementClient:
    """`transport` is for tests and for unusual networks; httpx's own otherwise."""

    def __init__(
        self,
        base_url: str,
        auth: httpx.Auth | None = None,
        *,
        verify: Any = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=base_url, auth=auth, verify=verify, transport=transport, timeout=DEADLINE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, operation: Operation[Result], *, idempotency_key: str | None = None) -> Result:
        """Do it and read the answer. Raises ApiError; httpx.TransportError when there is no answer.

        A POST has an Idempotency-Key of its own unless one is given; give one to repeat a request safely.
        """
        response = self._http.send(_request(self._http, operation, idempotency_key))
        check(response)
        return operation.read(response)

    def each(self, paged: Paged[Item]) -> Iterator[Item]:
        """Go through all pages of a list: `client.each(partial(operations.list_credentials, project_id))`."""
        cursor: str | None = None
        while True:
            page = self.send(paged(limit=_PAGE, cursor=cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def raw(self, method: str, path: str, *, content: bytes | None = None) -> httpx.Response:
        """Send any request, for what no operation covers. Refusals are raised here too."""
        response = self._http.request(method, path, content=content, headers=_content_type(content))
        check(response)
        return response


class AsyncManagementClient:
    """The same for asyncio and trio."""

    def __init__(
        self,
        base_url: str,
        auth: httpx.Auth | None = None,
        *,
        verify: Any = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url, auth=auth, verify=verify, transport=transport, timeout=DEADLINE_S
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, operation: Operation[Result], *, idempotency_key: str | None = None) -> Result:
        """Do it and read the answer, as `ManagementClient.send`."""
        response = await self._http.send(_request(self._http, operation, idempotency_key))
        check(response)
        return operation.read(response)

    async def each(self, paged: Paged[Item]) -> AsyncIterator[Item]:
        """Go through all pages of a list, as `ManagementClient.each`."""
        cursor: str | None = None
        while True:
            page = await self.send(paged(limit=_PAGE, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return


def _request(
    http: httpx.Client | httpx.AsyncClient, operation: Operation[Any], idempotency_key: str | None
) -> httpx.Request:
    headers = {**_content_type(operation.content), **operation.headers}
    if operation.repeatable:
        headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
    return http.build_request(
        operation.method,
        operation.path,
        content=operation.content,
        params=dict(operation.query) or None,
        headers=headers,
    )


def _content_type(content: bytes | None) -> dict[str, str]:
    return {} if content is None else {"Content-Type": "application/json"}
