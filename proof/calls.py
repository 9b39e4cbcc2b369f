"""Signed calls over connections of our own: what is sent is exactly what is said here, and it is known when."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from tests.gate.scene import Client
from tests.servers import HOST

from credenza.protocol import oauth1

ADMITTED = 200


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """A kept-alive connection that asks one thing at a time; it is opened again when the server has closed it. With
    `tls` it is secured, and shows the certificate that is in there."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    async def ask(self, request: bytes) -> Answer:
        """Send bytes as they are and read the answer. Raises OSError or EOFError when there is none."""
        try:
            if self._streams is None:
                name = None if self._tls is None else "localhost"
                self._streams = await asyncio.open_connection(HOST, self._port, ssl=self._tls, server_hostname=name)
            self._streams[1].write(request)
            return await self._answer(self._streams[0])
        except BaseException:
            self.drop()
            raise

    async def status(self, request: bytes) -> int | None:
        """The same for those who only want to know; None when there was no answer."""
        try:
            return (await self.ask(request)).status
        except (OSError, EOFError):
            return None

    def drop(self) -> None:
        if self._streams is not None:
            # The end of TLS would wait for the other side's, past the end of the proof.
            self._streams[1].transport.abort()
            self._streams = None

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
        body = await self._body(reader, headers)
        if headers.get("connection", "").lower() == "close":
            self.drop()
        return Answer(int(head[0].split()[1]), headers, body)

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        body = b""
        while length := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(length)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return body


def request(method: str, target: str, *, body: bytes = b"", **headers: str) -> bytes:
    """Write a request down. Header names are given with underscores."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def signed(client: Client, origin: str, target: str, *, method: str = "GET", body: bytes = b"") -> bytes:
    """A call made now, as the Python signer signs it."""
    return request(method, target, body=body, Authorization=authorization(client, origin + target, method, body))


def authorization(client: Client, url: str, method: str = "GET", body: bytes = b"") -> str:
    return oauth1.sign(
        consumer_key=client.consumer_key,
        key=client.private_key,
        method=method,
        url=url,
        body=body,
        timestamp=int(time.time()),
        nonce=secrets.token_hex(8),
    )


def make_keys(count: int) -> Sequence[RSAPrivateKey]:
    """RSA-2048 keys, on all cores: making one takes as long as two hundred verifications."""
    if count < 8:
        return [generate_private_key(public_exponent=65537, key_size=2048) for _ in range(count)]
    keys = []
    with ProcessPoolExecutor(mp_context=get_context("forkserver")) as pool:
        for der in pool.map(_make_key, range(count), chunksize=4):
            key = load_der_private_key(der, None)
            assert isinstance(key, RSAPrivateKey)
            keys.append(key)
    return keys


def _make_key(_number: int) -> bytes:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
