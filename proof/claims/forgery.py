"""Calls changed on their way are refused; calls only spelled otherwise are not (settled 34)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import quote, unquote

from tests.gate.scene import Client

from proof import stage
from proof.calls import ADMITTED, Line, authorization, request
from proof.claim import Claim, Progress, hold
from proof.stage import Stage

_LINES = 16
_QUERY = "account=4711&amount=12.50&amount=3&note=a%20b&at=12%3A30&empty="


@dataclass(frozen=True, slots=True)
class _Call:
    """A signed call, taken apart. `oauth` has the header's values as they stand in it."""

    method: str
    path: str
    query: str
    body: bytes
    oauth: Mapping[str, str]
    scheme: str = "OAuth "
    separator: str = ","

    @property
    def raw(self) -> bytes:
        header = self.scheme + self.separator.join(f'{name}="{value}"' for name, value in self.oauth.items())
        return request(self.method, f"{self.path}?{self.query}", body=self.body, Authorization=header)


Change: TypeAlias = Callable[[_Call, random.Random], _Call]


def no_changed_call_is_admitted(calls: int) -> str:
    """The untouched call follows each changed one and has to be admitted: it was the change that was refused."""
    return _prove(calls, _CHANGES, admitted=0)


def every_respelled_call_is_admitted(calls: int) -> str:
    return _prove(calls, _RESPELLINGS, admitted=1)


def _prove(calls: int, changes: Mapping[str, Change], *, admitted: int) -> str:
    with stage.on_sqlite(workers=2) as where:
        client = where.installation.add_project()[1]
        answers = asyncio.run(_send_all(where, client, calls, changes, untouched_too=admitted == 0))
    wrong = {name: statuses for name, statuses in answers.items() if statuses[ADMITTED] != admitted * statuses.total()}
    hold(not wrong, f"answered otherwise: {wrong}")
    total = sum(statuses.total() for statuses in answers.values())
    kinds = ", ".join(f"{statuses.total()} {name}" for name, statuses in sorted(answers.items()))
    return f"{total * admitted:,} of {total:,} admitted: {kinds}"


async def _send_all(
    where: Stage, client: Client, calls: int, changes: Mapping[str, Change], *, untouched_too: bool
) -> dict[str, Counter[int | None]]:
    answers = {name: Counter[int | None]() for name in changes}
    progress, numbers = Progress("calls", calls), iter(range(calls))

    async def send() -> None:
        async with Line(where.gate.port) as line:
            for number in numbers:
                name, change = list(changes.items())[number % len(changes)]
                call = _signed(client, where.gate.origin, number)
                answers[name][await line.status(change(call, random.Random(number)).raw)] += 1
                if untouched_too:
                    hold(await line.status(call.raw) == ADMITTED, f"the call before {name} was refused as well")
                progress.add()

    await asyncio.gather(*(send() for _ in range(_LINES)))
    return answers


def _signed(client: Client, origin: str, number: int) -> _Call:
    method = ("POST", "PUT", "PATCH")[number % 3]
    body = f'{{"refund": {number}, "reason": "none"}}'.encode()
    path = f"/orders/v1/refunds/{number}"
    header = authorization(client, f"{origin}{path}?{_QUERY}", method, body)
    pairs = (pair.split("=", 1) for pair in header.removeprefix("OAuth ").split(","))
    return _Call(method, path, _QUERY, body, {name: value.strip('"') for name, value in pairs})


# ------------------------------------------------------------------------------------- what changes the meaning


def _method(call: _Call, chance: random.Random) -> _Call:
    return replace(
        call, method=chance.choice([each for each in ("GET", "POST", "PUT", "DELETE") if each != call.method])
    )


def _path(call: _Call, chance: random.Random) -> _Call:
    place = chance.randrange(len("/orders/"), len(call.path))
    return replace(call, path=call.path[:place] + _other(call.path[place]) + call.path[place + 1 :])


def _query_value(call: _Call, chance: random.Random) -> _Call:
    items = call.query.split("&")
    place = chance.randrange(len(items))
    return replace(call, query="&".join([*items[:place], items[place] + "0", *items[place + 1 :]]))


def _query_name(call: _Call, chance: random.Random) -> _Call:
    items = call.query.split("&")
    place = chance.randrange(len(items))
    return replace(call, query="&".join([*items[:place], "x" + items[place], *items[place + 1 :]]))


def _query_lost(call: _Call, chance: random.Random) -> _Call:
    items = call.query.split("&")
    del items[chance.randrange(len(items))]
    return replace(call, query="&".join(items))


def _query_more(call: _Call, chance: random.Random) -> _Call:
    return replace(call, query=f"{call.query}&{chance.choice(['x=1', 'amount=3', 'admin', 'empty='])}")


def _query_exchanged(call: _Call, _chance: random.Random) -> _Call:
    return replace(call, query=call.query.replace("4711", "12.50").replace("amount=12.50", "amount=4711", 1))


def _query_escape(call: _Call, chance: random.Random) -> _Call:
    return replace(call, query=call.query.replace("%20", chance.choice(["%2B", "%2520", "%C2%A0", "", "%26"])))


def _body_bit(call: _Call, chance: random.Random) -> _Call:
    octets = bytearray(call.body)
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    return replace(call, body=bytes(octets))


def _body_cut(call: _Call, chance: random.Random) -> _Call:
    return replace(call, body=call.body[: chance.randrange(len(call.body))])


def _body_longer(call: _Call, chance: random.Random) -> _Call:
    return replace(call, body=call.body + chance.choice([b" ", b"\n", b"\0", b"}"]))


def _oauth_value(call: _Call, chance: random.Random) -> _Call:
    """Change a character of a decoded value, drop it, or add one."""
    name = chance.choice(list(call.oauth))
    value = unquote(call.oauth[name])
    place = chance.randrange(len(value))
    changed = chance.choice(
        [
            value[:place] + _other(value[place]) + value[place + 1 :],
            value[:place] + value[place + 1 :],
            value[:place] + chance.choice("aZ09") + value[place:],
        ]
    )
    return _with(call, **{name: quote(changed if changed != value else value + "a", safe="")})


def _oauth_lost(call: _Call, chance: random.Random) -> _Call:
    lost = chance.choice(list(call.oauth))
    return replace(call, oauth={name: value for name, value in call.oauth.items() if name != lost})


def _oauth_more(call: _Call, chance: random.Random) -> _Call:
    return _with(call, **{chance.choice(["oauth_token", "oauth_callback", "oauth_x"]): "x"})


def _other_method_of_signature(call: _Call, chance: random.Random) -> _Call:
    return _with(call, oauth_signature_method=chance.choice(["RSA-PSS", "RSA-SHA1", "HMAC-SHA256", "PLAINTEXT"]))


_CHANGES: Mapping[str, Change] = {
    "methods": _method,
    "paths": _path,
    "query values": _query_value,
    "query names": _query_name,
    "query items lost": _query_lost,
    "query items added": _query_more,
    "query values exchanged": _query_exchanged,
    "query escapes": _query_escape,
    "bits of the body": _body_bit,
    "bodies cut": _body_cut,
    "bodies continued": _body_longer,
    "OAuth values": _oauth_value,
    "OAuth parameters lost": _oauth_lost,
    "OAuth parameters added": _oauth_more,
    "signature methods": _other_method_of_signature,
}


# --------------------------------------------------------------------------------------------- what keeps the meaning


def _header_order(call: _Call, chance: random.Random) -> _Call:
    names = chance.sample(list(call.oauth), k=len(call.oauth))
    return replace(call, oauth={name: call.oauth[name] for name in names})


def _header_scheme(call: _Call, chance: random.Random) -> _Call:
    return replace(call, scheme=chance.choice(["oauth ", "OAUTH ", "oAuth  ", "OAuth\t"]))


def _header_spaces(call: _Call, chance: random.Random) -> _Call:
    return replace(call, separator=chance.choice([", ", " ,", " , ", ",\t"]))


def _header_realm(call: _Call, _chance: random.Random) -> _Call:
    return replace(call, oauth={"realm": "Orders", **call.oauth})


def _header_escapes(call: _Call, chance: random.Random) -> _Call:
    """Escape some characters that need no escape, some of the escapes in lower case."""
    return replace(call, oauth={name: _respelled(unquote(value), chance) for name, value in call.oauth.items()})


def _query_order(call: _Call, chance: random.Random) -> _Call:
    items = call.query.split("&")
    return replace(call, query="&".join(chance.sample(items, k=len(items))))


def _query_empty_items(call: _Call, chance: random.Random) -> _Call:
    return replace(call, query=chance.choice([f"&{call.query}", f"{call.query}&", call.query.replace("&", "&&", 1)]))


def _query_hex_case(call: _Call, _chance: random.Random) -> _Call:
    return replace(call, query=call.query.replace("%3A", "%3a"))


def _query_space(call: _Call, _chance: random.Random) -> _Call:
    return replace(call, query=call.query.replace("%20", "+"))


def _query_needless_escape(call: _Call, chance: random.Random) -> _Call:
    return replace(call, query=call.query.replace("4711", chance.choice(["%34711", "47%31%31", "%34%37%31%31"])))


def _query_bare_name(call: _Call, _chance: random.Random) -> _Call:
    return replace(call, query=call.query.replace("empty=", "empty"))


_RESPELLINGS: Mapping[str, Change] = {
    "orders of the header": _header_order,
    "schemes in another case": _header_scheme,
    "spaces in the header": _header_spaces,
    "realms": _header_realm,
    "escapes in the header": _header_escapes,
    "orders of the query": _query_order,
    "empty query items": _query_empty_items,
    "hex digits in lower case": _query_hex_case,
    "spaces as +": _query_space,
    "needless escapes": _query_needless_escape,
    "names without =": _query_bare_name,
}


def _with(call: _Call, **values: str) -> _Call:
    return replace(call, oauth={**call.oauth, **values})


def _other(character: str) -> str:
    return "1" if character != "1" else "2"


def _respelled(value: str, chance: random.Random) -> str:
    return "".join(
        chance.choice([each, f"%{ord(each):02X}", f"%{ord(each):02x}"]) if each not in '%"' else f"%{ord(each):02X}"
        for each in value
    )


CLAIMS = (
    Claim(
        "changed calls",
        "no call changed in method, target, body or an OAuth value is admitted",
        100_000,
        "calls",
        no_changed_call_is_admitted,
        in_tests=100,
    ),
    Claim(
        "respelled calls",
        "every call whose spelling alone is changed is admitted",
        10_000,
        "calls",
        every_respelled_call_is_admitted,
    ),
)
