"""A request that somebody captured: an HTTP message as text (RFC 9112), or a curl command line.

Pure but for the files that a curl command names: `read_file` gets them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from credenza.protocol.errors import Malformed
from credenza.protocol.oauth1 import Request

_FORM = "application/x-www-form-urlencoded"

ReadFile = Callable[[Path], bytes]


@dataclass(frozen=True, slots=True)
class Captured:
    """`headers` keep their order and spelling; `url` is whole."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def to_request(self) -> Request:
        target = urlsplit(self.url)
        media_type = (self.header("content-type") or "").split(";")[0].strip().lower()
        return Request(
            self.method,
            target.scheme,
            target.netloc.rpartition("@")[2],
            target.path,
            target.query,
            form=self.body if media_type == _FORM and self.body else None,
        )


def parse(octets: bytes, *, origin: str | None, read_file: ReadFile) -> Captured:
    """Read either kind. `origin` (`https://api.example.com`) replaces scheme and host of a call seen behind a proxy.

    Raises Malformed("request").
    """
    is_curl = octets.split(None, 1)[:1] == [b"curl"]
    captured = _parse_curl(_text(octets), read_file) if is_curl else _parse_http(octets, origin)
    if origin is None:
        return captured
    target = urlsplit(captured.url)
    url = f"{origin.rstrip('/')}{target.path}{'?' if target.query else ''}{target.query}"
    return Captured(captured.method, url, captured.headers, captured.body)


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _malformed("The curl command is not text in UTF-8") from None


# --------------------------------------------------------------------------------------------------- HTTP as text


_HEAD = re.compile(rb"\A(.*?)\r?\n(?:\r?\n|\Z)", re.DOTALL)


def _parse_http(octets: bytes, origin: str | None) -> Captured:
    match = _HEAD.match(octets)
    if match is None:
        raise _malformed("This is neither an HTTP request, as text with its headers, nor a curl command line")
    # RFC 9110 5.5: a field value is octets, and Latin-1 keeps each.
    request_line, *field_lines = match[1].decode("latin-1").splitlines()
    method, target = _request_line(request_line)
    headers = tuple(_field(line) for line in field_lines)
    url = _url(target, _lower_case(headers).get("host"), origin)
    return Captured(method, url, headers, _sent_body(octets[match.end() :], headers))


def _lower_case(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _request_line(line: str) -> tuple[str, str]:
    match line.split(" "):
        case [method, target] | [method, target, ("HTTP/1.0" | "HTTP/1.1" | "HTTP/2" | "HTTP/2.0" | "HTTP/3")]:
            return method, target
    raise _malformed("The first line is not METHOD TARGET HTTP/1.1")


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise _malformed(f"A header line is not Name: value, but starts with {line[:20]!r}")
    return name, value.strip()


def _url(target: str, host: str | None, origin: str | None) -> str:
    if target.startswith(("http://", "https://")):
        return target
    if not target.startswith("/"):
        raise _malformed("The target in the first line starts neither with / nor with https://")
    if host is None and origin is None:
        raise _malformed("There is no Host header. Add it, or give --origin https://HOST")
    # A captured message does not tell whether TLS was around it; --origin does where this guess is wrong.
    return f"https://{host or ''}{target}"


def _sent_body(rest: bytes, headers: tuple[tuple[str, str], ...]) -> bytes:
    fields = _lower_case(headers)
    if "chunked" in fields.get("transfer-encoding", "").lower():
        raise _malformed("The body is chunked. Write it without the framing, and leave Transfer-Encoding out")
    length = fields.get("content-length")
    if length is None:
        # Text editors end a file with a newline that nobody sent.
        return rest.removesuffix(b"\n").removesuffix(b"\r")
    if not length.isdecimal() or int(length) > len(rest):
        raise _malformed(f"Content-Length is {length}, but {len(rest)} bytes of body follow")
    return rest[: int(length)]


# --------------------------------------------------------------------------------------------------- curl commands

_LONG_NAMES = {
    "A": "user-agent", "D": "dump-header", "E": "cert", "H": "header", "I": "head", "L": "location", "N": "no-buffer",
    "S": "show-error", "X": "request", "b": "cookie", "d": "data", "e": "referer", "f": "fail", "g": "globoff",
    "i": "include", "k": "insecure", "m": "max-time", "o": "output", "s": "silent", "v": "verbose", "w": "write-out",
    "x": "proxy", "4": "ipv4", "6": "ipv6",
}  # fmt: skip
_HEADERS = {"user-agent": "User-Agent", "cookie": "Cookie", "referer": "Referer"}
_BODIES = frozenset({"data", "data-ascii", "data-raw", "data-binary", "json"})
_MEANINGFUL = frozenset({"request", "header", "url", *_HEADERS, *_BODIES})
_IGNORED_WITH_VALUE = frozenset(
    {
        "cacert",
        "cert",
        "connect-timeout",
        "connect-to",
        "dump-header",
        "key",
        "max-time",
        "output",
        "proxy",
        "resolve",
        "retry",
        "write-out",
    }
)
_IGNORED_FLAGS = frozenset(
    {
        "compressed",
        "fail",
        "fail-with-body",
        "globoff",
        "http1.1",
        "http2",
        "include",
        "insecure",
        "ipv4",
        "ipv6",
        "location",
        "no-buffer",
        "no-progress-meter",
        "path-as-is",
        "show-error",
        "silent",
        "tlsv1.2",
        "tlsv1.3",
        "verbose",
    }
)


def _parse_curl(text: str, read_file: ReadFile) -> Captured:
    options = [option for option in _curl_options(_words(text)) if option[0] not in _IGNORED_WITH_VALUE]
    given = dict(options)  # of several -X curl takes the last as well
    if [name for name, _ in options].count("url") != 1:
        raise _malformed("The curl command has not one URL, but none or several")
    parts = [_curl_body(name, value, read_file) for name, value in options if name in _BODIES]
    headers = [_field(value) for name, value in options if name == "header"]
    headers += [(_HEADERS[name], value) for name, value in options if name in _HEADERS]
    if parts:
        headers.append(("Content-Type", "application/json" if "json" in given else _FORM))
    method = given.get("request") or ("HEAD" if "head" in given else "POST" if parts else "GET")
    return Captured(method, _whole(given["url"]), tuple(headers), b"&".join(parts))


def _words(text: str) -> list[str]:
    if "$'" in text:
        raise _malformed(
            "The curl command has $'...' in it, which only bash reads. Write the request as an HTTP message"
        )
    try:
        return shlex.split(text.replace("\\\r\n", " ").replace("\\\n", " "))
    except ValueError:
        raise _malformed("A quote in the curl command is not closed") from None


def _curl_options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield long names and values; a word that is no option is a URL, and a flag has no value."""
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-"):
            yield "url", word
        elif word.startswith("--"):
            yield from _curl_option(word[2:], "", rest)
        else:
            yield from _short_options(word[1:], rest)


def _short_options(letters: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    for position, letter in enumerate(letters, 1):
        name = _LONG_NAMES.get(letter, letter)
        if name in _MEANINGFUL | _IGNORED_WITH_VALUE:
            # `-XPOST`: what follows the letter is its value.
            yield from _curl_option(name, letters[position:], rest)
            return
        yield from _curl_option(name, "", rest)


def _curl_option(name: str, attached: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    if name in _IGNORED_FLAGS:
        return
    if name == "head":
        yield name, ""
    elif name in _MEANINGFUL | _IGNORED_WITH_VALUE:
        yield name, attached or next(rest, "")
    else:
        raise _malformed(f"The option {name} of curl is not understood here. Write the request as an HTTP message")


def _curl_body(name: str, value: str, read_file: ReadFile) -> bytes:
    if name == "data-raw" or not value.startswith("@"):
        return value.encode()
    octets = read_file(Path(value[1:]))
    # `curl -d @FILE` takes line ends and NULs out of the file.
    return octets if name in {"data-binary", "json"} else octets.translate(None, b"\r\n\0")


def _whole(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _malformed(what: str) -> Malformed:
    return Malformed("request", f"{what}.")
