"""Answers of one turn of the loop are sent together, and none is lost or late for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop

from credenza.cli.held_writes import HeldWrites, HoldingTransport


class Wire(asyncio.Transport):
    """Keeps what would go over the wire."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said.append(bytes(data))

    def close(self) -> None:
        self.said.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.said


def in_a_turn(act: Callable[[HeldWrites], object]) -> list[object]:
    """What `act` tells within its turn, and then the loop's next turn."""

    async def run() -> list[object]:
        told = [act(HeldWrites())]
        await asyncio.sleep(0)
        return told

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def test_what_several_connections_say_in_a_turn_is_sent_at_its_end_in_its_order() -> None:
    said: list[bytes | str] = []
    first, second = Wire(), Wire()
    first.said = second.said = said

    def act(writes: HeldWrites) -> list[bytes | str]:
        for wire, octets in ((first, b"1"), (second, b"2"), (first, b"3")):
            HoldingTransport(wire, writes).write(octets)  # type: ignore[arg-type]
        return list(said)

    assert in_a_turn(act) == [[]]
    assert said == [b"1", b"2", b"3"]


def test_the_eighth_answer_of_a_turn_does_not_wait() -> None:
    wire = Wire()

    def act(writes: HeldWrites) -> int:
        for each in range(9):
            writes.hold(wire, b"%d" % each)
        return len(wire.said)

    assert in_a_turn(act) == [8]
    assert len(wire.said) == 9


def test_a_long_answer_goes_at_once_behind_what_was_held() -> None:
    wire = Wire()

    def act(writes: HeldWrites) -> list[bytes | str]:
        writes.hold(wire, b"short")
        writes.hold(wire, b"x" * 100_000)
        return [each[:5] for each in wire.said]

    assert in_a_turn(act) == [[b"short", b"xxxxx"]]


def test_a_transport_that_is_closed_sends_first() -> None:
    wire = Wire()

    def act(writes: HeldWrites) -> list[bytes | str]:
        transport = HoldingTransport(wire, writes)
        transport.write(b"answer")
        transport.close()
        return list(wire.said)

    assert in_a_turn(act) == [[b"answer", "closed"]]


def test_all_else_is_the_transports_own() -> None:
    wire = Wire()

    assert in_a_turn(lambda writes: HoldingTransport(wire, writes).is_closing()) == [False]
    assert in_a_turn(lambda writes: HoldingTransport(wire, writes).get_extra_info("peername", "nobody")) == ["nobody"]
