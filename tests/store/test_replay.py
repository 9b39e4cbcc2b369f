"""Replay memory: one first answer per key, kept over deaths, and no answer at all rather than a wrong one."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from tests.clock import NOON
from tests.servers import RedisServer

from credenza.store.redis_replay import RedisReplay
from credenza.store.replay import CLOCK_TOLERANCE_S, LmdbReplay, ReplayUnavailable

REMEMBER = timedelta(seconds=600)
AHEAD = timedelta(seconds=300)
NOW = NOON.timestamp()
BORN_NOW = NOW + 300 + CLOCK_TOLERANCE_S
CAPACITY = 20_000

ASKER = """
import sys
from datetime import timedelta
from pathlib import Path
from credenza.store.replay import LmdbReplay

directory, remember_s, ahead_s, now, capacity = sys.argv[1:]
replay = LmdbReplay(
    Path(directory), remember=timedelta(seconds=float(remember_s)), ahead=timedelta(seconds=float(ahead_s)),
    now=float(now), capacity=int(capacity),
)
print("open", flush=True)
for line in sys.stdin:
    print(replay.first_seen(line.strip().encode(), float(now)), flush=True)
"""


def asker(directory: Path, **options) -> subprocess.Popen[str]:
    arguments = (str(directory), "600", "300", str(NOW), str(CAPACITY))
    return subprocess.Popen(
        [sys.executable, "-c", ASKER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    with process:
        try:
            yield process
        finally:
            process.kill()


def open_replay(directory: Path, *, now: float = NOW, capacity: int = CAPACITY, **options) -> LmdbReplay:
    return LmdbReplay(directory, remember=REMEMBER, ahead=AHEAD, now=now, capacity=capacity, **options)


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[LmdbReplay]:
    memory = open_replay(tmp_path / "replay")
    yield memory
    memory.close()


def test_a_key_is_first_seen_once(replay: LmdbReplay) -> None:
    assert [replay.first_seen(key, NOW) for key in (b"a", b"a", b"b")] == [True, False, True]


def test_keys_that_are_asked_together_are_used_up_each_by_itself(replay: LmdbReplay) -> None:
    replay.first_seen(b"b", NOW)

    together = replay.first_seen_each([b"a", b"b", b"c", b"c"], NOW)

    assert together == (True, False, True, False)
    assert not any(replay.first_seen(key, NOW) for key in (b"a", b"b", b"c"))
    assert replay.first_seen_each([b"a", b"c"], NOW + 610) == (False, False)


def test_a_memory_without_room_for_all_keys_takes_none(tmp_path: Path) -> None:
    replay = open_replay(tmp_path, capacity=10)
    for number in range(9):
        replay.first_seen(b"%d" % number, NOW)

    with pytest.raises(ReplayUnavailable, match="full"):
        replay.first_seen_each([b"a", b"b"], NOW)

    assert replay.first_seen(b"b", NOW)
    replay.close()


def test_a_key_is_remembered_for_the_whole_window_wherever_in_a_generation_it_came(replay: LmdbReplay) -> None:
    for start in range(0, 1_800, 100):
        key = f"seen after {start} s".encode()

        assert replay.first_seen(key, NOW + start)
        assert not replay.first_seen(key, NOW + start + 300)
    for start in range(1_300, 1_800, 100):
        assert not replay.first_seen(f"seen after {start} s".encode(), NOW + start + 600)


def test_a_turn_drops_the_older_generation_only(replay: LmdbReplay) -> None:
    replay.first_seen(b"first generation", NOW)
    replay.first_seen(b"second generation", NOW + 610)

    replay.first_seen(b"third generation", NOW + 1_220)

    assert replay.first_seen(b"first generation", NOW + 1_220)
    assert not replay.first_seen(b"second generation", NOW + 1_220)


def test_a_replayed_key_is_not_kept_any_longer(replay: LmdbReplay) -> None:
    replay.first_seen(b"key", NOW)

    assert [replay.first_seen(b"key", NOW + 610), replay.first_seen(b"key", NOW + 1_220)] == [False, True]


def test_four_processes_asking_the_same_keys_get_one_first_answer_each(tmp_path: Path) -> None:
    keys = [f"key {number}" for number in range(2_000)]
    with ExitStack() as stack:
        askers = [stack.enter_context(running(asker(tmp_path))) for _ in range(4)]
        assert [process.stdout.readline() for process in askers] == ["open\n"] * 4
        for process in askers:
            process.stdin.write("\n".join(keys) + "\n")
            process.stdin.flush()
        answers = [[process.stdout.readline() == "True\n" for _ in keys] for process in askers]

    assert [1] * len(keys) == [sum(of_one_key) for of_one_key in zip(*answers, strict=True)]


def test_what_a_killed_process_saw_stays_seen(tmp_path: Path) -> None:
    keys = [f"key {number}" for number in range(2_000)]
    with running(asker(tmp_path)) as process:
        process.stdin.write("\n".join(keys) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        answered = [process.stdout.readline() == "True\n" for _ in range(500)]
        process.kill()
    replay = open_replay(tmp_path)

    again = [replay.first_seen(key.encode(), NOW) for key in keys[:500]]
    replay.close()

    assert (answered, again) == ([True] * 500, [False] * 500)


def test_a_reopened_memory_remembers_since_it_was_born(tmp_path: Path) -> None:
    open_replay(tmp_path).close()

    replay = open_replay(tmp_path, now=NOW + 1_000)
    replay.close()

    assert replay.remembers_since == BORN_NOW


def test_a_memory_that_was_deleted_vouches_for_later_calls_only(tmp_path: Path) -> None:
    LmdbReplay.establish(tmp_path)
    open_replay(tmp_path).close()
    for file in tmp_path.iterdir():
        file.unlink()

    replay = open_replay(tmp_path)
    replay.close()

    assert replay.remembers_since == BORN_NOW


def test_the_first_memory_of_an_installation_vouches_for_every_call(tmp_path: Path) -> None:
    LmdbReplay.establish(tmp_path / "replay")

    replay = open_replay(tmp_path / "replay")
    replay.close()

    assert replay.remembers_since == 0


def test_establishing_again_does_not_make_a_memory_vouch_for_more(tmp_path: Path) -> None:
    open_replay(tmp_path).close()
    LmdbReplay.establish(tmp_path)

    replay = open_replay(tmp_path)
    replay.close()

    assert replay.remembers_since == BORN_NOW


def test_an_installation_is_established_once(tmp_path: Path) -> None:
    LmdbReplay.establish(tmp_path)
    open_replay(tmp_path).close()
    for name in ("boot", "data.mdb", "lock.mdb"):
        (tmp_path / name).unlink()

    replay = open_replay(tmp_path)
    replay.close()

    assert replay.remembers_since == BORN_NOW


@pytest.mark.parametrize("established", [False, True])
def test_after_a_reboot_the_memory_is_new(tmp_path: Path, established: bool) -> None:
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("the first boot\n")
    if established:
        LmdbReplay.establish(tmp_path / "replay", boot_id=boot_id)
    before = open_replay(tmp_path / "replay", boot_id=boot_id)
    before.first_seen(b"key", NOW)
    before.close()
    boot_id.write_text("the second boot\n")

    after = open_replay(tmp_path / "replay", now=NOW + 30, boot_id=boot_id)
    seen_anew = after.first_seen(b"key", NOW + 30)
    after.close()

    assert (seen_anew, after.remembers_since) == (True, BORN_NOW + 30)


def test_a_reboot_before_the_first_start_is_told_from_a_new_installation(tmp_path: Path) -> None:
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("the first boot\n")
    LmdbReplay.establish(tmp_path / "replay", boot_id=boot_id)
    boot_id.write_text("the second boot\n")

    replay = open_replay(tmp_path / "replay", boot_id=boot_id)
    replay.close()

    assert replay.remembers_since == BORN_NOW


def test_a_clock_that_jumped_ahead_and_came_back_makes_the_memory_young(replay: LmdbReplay) -> None:
    replay.first_seen(b"key", NOW)
    replay.first_seen(b"by the wrong clock", NOW + 400 * 86_400)

    again = replay.first_seen(b"key", NOW + 60)

    assert (again, replay.remembers_since) == (False, BORN_NOW + 60)


def test_a_clock_that_went_back_and_was_put_right_loses_no_key(replay: LmdbReplay) -> None:
    replay.first_seen(b"key", NOW)
    replay.first_seen(b"by the wrong clock", NOW - 3_600)

    assert not replay.first_seen(b"key", NOW + 60)


def test_clocks_that_differ_a_little_do_not_make_the_memory_young(replay: LmdbReplay) -> None:
    replay.first_seen(b"turn", NOW + 610)

    replay.first_seen(b"from a slower clock", NOW + 605)

    assert replay.remembers_since == BORN_NOW


def test_a_full_memory_refuses_and_empties_itself_at_its_next_turns(tmp_path: Path) -> None:
    replay = open_replay(tmp_path, capacity=1_000)
    for generation in range(6):
        now = NOW + generation * 610
        keys = [f"key {generation} {number}".encode() for number in range(1_000)]

        assert all(replay.first_seen(key, now) for key in keys)
        with pytest.raises(ReplayUnavailable, match="full"):
            replay.first_seen(b"one too many", now)
        assert not any(replay.first_seen(key, now) for key in keys)
    replay.close()


def test_what_other_processes_put_in_is_seen_before_a_64th_of_the_room_is_taken(tmp_path: Path) -> None:
    replay = open_replay(tmp_path)
    replay.first_seen(b"who sees that there is room for all but one", NOW)
    with running(asker(tmp_path)) as other:
        keys = "".join(f"key {number}\n" for number in range(CAPACITY - 1))
        assert other.communicate(keys)[0].count("True") == CAPACITY - 1

    with pytest.raises(ReplayUnavailable, match="full"):
        _ = [replay.first_seen(b"one too many %d" % number, NOW) for number in range(1 + CAPACITY // 64)]

    assert not replay.first_seen(b"one too many 0", NOW)
    replay.close()


@pytest.mark.parametrize("damage", [b"", b"garbage" * 10_000], ids=["empty", "garbage"])
def test_a_damaged_file_never_vouches_for_what_it_lost(tmp_path: Path, damage: bytes) -> None:
    LmdbReplay.establish(tmp_path)
    open_replay(tmp_path).close()
    (tmp_path / "data.mdb").write_bytes(damage)

    try:
        replay = open_replay(tmp_path, now=NOW)
        replay.close()
        since = replay.remembers_since
    except ReplayUnavailable:
        since = BORN_NOW

    assert since == BORN_NOW


def test_a_directory_that_cannot_be_made_is_no_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ReplayUnavailable):
        open_replay(tmp_path / "file" / "replay")
    with pytest.raises(ReplayUnavailable):
        LmdbReplay.establish(tmp_path / "file" / "replay")


def test_the_room_on_disk_is_taken_when_the_memory_is_made(tmp_path: Path) -> None:
    open_replay(tmp_path).close()

    file = (tmp_path / "data.mdb").stat()

    assert file.st_blocks * 512 >= file.st_size > 2 * CAPACITY


def test_a_disk_without_room_for_the_whole_memory_is_refused_at_the_start(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the same failure, without a file system of its own."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    with running(asker(tmp_path, preexec_fn=limit_files)) as process:
        _, errors = process.communicate()

    assert "ReplayUnavailable: cannot open replay memory" in errors


@pytest.fixture
async def redis_replay(redis_server: RedisServer) -> AsyncIterator[RedisReplay]:
    memory = open_redis_replay(redis_server)
    yield memory
    await memory.close()


def open_redis_replay(server: RedisServer, *, deadline: timedelta = timedelta(seconds=5)) -> RedisReplay:
    return RedisReplay(server.url, remember=REMEMBER, ahead=AHEAD, deadline=deadline)


async def closed_connections_are_noticed() -> None:
    """A restart blocks the event loop, which learns only afterwards that its connections are gone."""
    await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_redis_gives_one_first_answer_among_many_at_once(redis_server: RedisServer) -> None:
    gates = [open_redis_replay(redis_server) for _ in range(3)]
    keys = [f"key {number}".encode() for number in range(700)]

    answers = await asyncio.gather(*(gate.first_seen(key, NOW) for key in keys for gate in gates))
    for gate in gates:
        await gate.close()

    assert [1] * len(keys) == [sum(answers[start : start + 3]) for start in range(0, len(answers), 3)]


@pytest.mark.anyio
async def test_questions_of_one_tick_travel_together(redis_server: RedisServer, redis_replay: RedisReplay) -> None:
    await redis_replay.first_seen(b"connects", NOW)
    with redis.Redis.from_url(redis_server.url) as client:
        before = client.info("stats")["total_reads_processed"]
        await asyncio.gather(*(redis_replay.first_seen(f"key {number}".encode(), NOW) for number in range(100)))
        reads = client.info("stats")["total_reads_processed"] - before

    assert reads < 10


@pytest.mark.anyio
async def test_redis_uses_keys_up_each_by_itself(redis_replay: RedisReplay) -> None:
    await redis_replay.first_seen(b"b", NOW)

    together = await redis_replay.first_seen_each([b"a", b"b", b"c", b"c"], NOW)

    assert together == (True, False, True, False)
    assert not await redis_replay.first_seen(b"a", NOW)


@pytest.mark.anyio
async def test_redis_forgets_a_key_after_the_window_not_before(
    redis_server: RedisServer, redis_replay: RedisReplay
) -> None:
    await redis_replay.first_seen(b"key", NOW)

    with redis.Redis.from_url(redis_server.url) as client:
        lifetimes_ms = [client.pttl(key) for key in client.keys("credenza:replay:*")]

    assert min(lifetimes_ms) == -1  # the birth marker stays
    assert 600_000 < max(lifetimes_ms) <= 610_000


@pytest.mark.anyio
async def test_a_killed_redis_comes_back_with_its_memory(redis_server: RedisServer, redis_replay: RedisReplay) -> None:
    keys = [f"key {number}".encode() for number in range(500)]
    await asyncio.gather(*(redis_replay.first_seen(key, NOW) for key in keys))

    redis_server.kill()
    redis_server.restart()
    await closed_connections_are_noticed()

    again = await asyncio.gather(*(redis_replay.first_seen(key, NOW + 60) for key in keys))
    assert (any(again), redis_replay.remembers_since) == (False, BORN_NOW)


@pytest.mark.anyio
async def test_a_redis_that_comes_back_without_its_memory_vouches_for_later_calls_only(
    redis_server: RedisServer, redis_replay: RedisReplay
) -> None:
    await redis_replay.establish()
    other_gate = open_redis_replay(redis_server)
    await redis_replay.first_seen(b"key", NOW)

    redis_server.kill()
    redis_server.wipe()
    redis_server.restart()
    await closed_connections_are_noticed()

    forgotten = await redis_replay.first_seen(b"key", NOW + 60)
    await other_gate.first_seen(b"other key", NOW + 90)
    await other_gate.close()
    assert (forgotten, redis_replay.remembers_since) == (True, BORN_NOW + 60)
    assert other_gate.remembers_since == BORN_NOW + 60


@pytest.mark.anyio
async def test_a_redis_without_append_only_file_forgets_and_is_found_out() -> None:
    with RedisServer(append_only=False) as server:
        replay = open_redis_replay(server)
        await replay.first_seen(b"key", NOW)

        server.kill()
        server.restart()
        await closed_connections_are_noticed()

        forgotten = await replay.first_seen(b"key", NOW + 60)
        await replay.close()
    assert (forgotten, replay.remembers_since) == (True, BORN_NOW + 60)


@pytest.mark.anyio
async def test_an_older_memory_in_the_place_of_a_newer_one_is_new(
    redis_server: RedisServer, redis_replay: RedisReplay
) -> None:
    await redis_replay.first_seen(b"key", NOW)
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        client.set("credenza:replay:born", NOW - 86_400)

    await redis_replay.first_seen(b"key", NOW + 60)

    assert redis_replay.remembers_since == BORN_NOW + 60


@pytest.mark.anyio
async def test_the_first_redis_of_an_installation_vouches_for_every_call(redis_replay: RedisReplay) -> None:
    await redis_replay.establish()
    await redis_replay.first_seen(b"key", NOW)

    assert redis_replay.remembers_since < NOW - 86_400


@pytest.mark.anyio
async def test_establishing_a_redis_that_is_in_use_changes_nothing(
    redis_server: RedisServer, redis_replay: RedisReplay
) -> None:
    await redis_replay.first_seen(b"key", NOW)
    await redis_replay.establish()
    new_gate = open_redis_replay(redis_server)
    await new_gate.first_seen(b"other key", NOW + 60)
    await new_gate.close()

    assert new_gate.remembers_since == BORN_NOW


@pytest.mark.anyio
async def test_before_its_first_answer_redis_vouches_for_nothing(redis_replay: RedisReplay) -> None:
    assert redis_replay.remembers_since == float("inf")


@pytest.mark.anyio
async def test_a_redis_that_is_down_is_unavailable_and_then_back(
    redis_server: RedisServer, redis_replay: RedisReplay
) -> None:
    redis_server.kill()
    with pytest.raises(ReplayUnavailable):
        await redis_replay.first_seen(b"key", NOW)
    with pytest.raises(ReplayUnavailable):
        await redis_replay.establish()

    redis_server.restart()

    assert await redis_replay.first_seen(b"key", NOW)


@pytest.mark.anyio
async def test_a_redis_that_hangs_is_unavailable_for_those_who_ask_and_those_who_wait(
    redis_server: RedisServer,
) -> None:
    replay = open_redis_replay(redis_server, deadline=timedelta(seconds=1))
    await replay.first_seen(b"connects", NOW)
    redis_server.freeze()

    asking = asyncio.create_task(replay.first_seen(b"asks", NOW))
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(replay.first_seen(b"waits", NOW))
    async with asyncio.timeout(3):  # well below redis-py's own patience
        await asyncio.wait((asking, waiting), return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0)
    refused_together = asking.done() and waiting.done()
    refused = await asyncio.gather(asking, waiting, return_exceptions=True)
    redis_server.thaw()
    afterwards = await replay.first_seen(b"later", NOW)
    await replay.close()

    assert [ReplayUnavailable, ReplayUnavailable] == [type(answer) for answer in refused]
    assert refused_together
    assert afterwards


@pytest.mark.anyio
async def test_closing_refuses_whoever_still_waits(redis_server: RedisServer, redis_replay: RedisReplay) -> None:
    redis_server.freeze()
    asking = asyncio.create_task(redis_replay.first_seen(b"key", NOW))
    await asyncio.sleep(0.01)

    await redis_replay.close()

    with pytest.raises(ReplayUnavailable):
        await asking


@pytest.mark.anyio
async def test_a_caller_that_gives_up_does_not_disturb_the_others(redis_replay: RedisReplay) -> None:
    asking = [asyncio.create_task(redis_replay.first_seen(key, NOW)) for key in (b"gives up", b"stays")]
    await asyncio.sleep(0)
    asking[0].cancel()

    assert await asking[1]


@pytest.mark.anyio
async def test_a_durable_redis_gives_no_warning(redis_replay: RedisReplay) -> None:
    assert await redis_replay.warnings() == ()


@pytest.mark.anyio
async def test_a_forgetful_redis_is_named() -> None:
    with RedisServer(append_only=False) as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory-policy", "volatile-lru")
            client.config_set("appendfsync", "everysec")
        replay = open_redis_replay(server)

        warnings = await replay.warnings()
        await replay.close()

    assert warnings == (
        "Redis has appendonly no: replay memory needs yes",
        "Redis has appendfsync everysec: replay memory needs always",
        "Redis has maxmemory-policy volatile-lru: replay memory needs noeviction",
    )


@pytest.mark.anyio
async def test_a_redis_that_hides_its_configuration_is_named(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    replay = open_redis_replay(redis_server)

    (warning,) = await replay.warnings()
    await replay.close()

    assert "cannot be read" in warning
