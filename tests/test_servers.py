"""The servers that tests stand on: they come back as they went, and say what is wrong when they do not come."""

import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from tests.clock import Clock
from tests.servers import CaddyServer, NginxServer, PostgreSQLServer, RedisServer, find_program


def test_each_postgresql_database_is_fresh(postgresql: PostgreSQLServer, postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE seen (key text)")
    copy = postgresql.create_database(template=urlsplit(postgresql_url).path[1:])
    fresh = postgresql.create_database()

    assert [tables(copy), tables(fresh)] == [1, 0]


def tables(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'seen'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_killed_postgresql_keeps_what_it_acknowledged() -> None:
    with PostgreSQLServer(durable=True) as server:
        url = server.create_database()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE seen (key text)")

        server.kill()
        server.restart()

        assert tables(url) == 1


def test_a_killed_redis_keeps_its_append_only_file_until_it_is_wiped(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("key", "value")

    redis_server.kill()
    redis_server.restart()
    with redis.Redis.from_url(redis_server.url) as client:
        kept = client.get("key")
    redis_server.stop()
    redis_server.wipe()
    redis_server.restart()

    with redis.Redis.from_url(redis_server.url) as client:
        assert (kept, client.get("key")) == (b"value", None)


def test_a_frozen_redis_is_silent_until_it_thaws(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url, socket_timeout=0.1, retry=None) as hasty:
        redis_server.freeze()
        with pytest.raises(redis.TimeoutError):
            hasty.ping()
        redis_server.thaw()

    with redis.Redis.from_url(redis_server.url) as patient:
        assert patient.ping()


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(lambda: NginxServer("server { listen 127.0.0.1:{port}; return 418; }"), id="nginx"),
        pytest.param(lambda: CaddyServer("http://127.0.0.1:{port} {\n\trespond 418\n}"), id="caddy"),
    ],
)
def test_a_proxy_answers_as_configured_and_again_after_a_kill(server) -> None:
    with server() as proxy:
        before = status(proxy.port)
        proxy.kill()
        proxy.restart()

        assert (before, status(proxy.port)) == (418, 418)


def status(port: int) -> int:
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)
    answer.value.close()
    return answer.value.code


def test_a_server_that_does_not_start_shows_its_log() -> None:
    with pytest.raises(RuntimeError, match='unknown directive "nonsense"'), NginxServer("nonsense;"):
        pass


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(FileNotFoundError, match="Debian package made-up-package"):
        find_program("made-up-program", "made-up-package")


def test_a_clock_stands_still_until_it_is_moved(clock: Clock) -> None:
    assert datetime(2025, 1, 31, 12, tzinfo=UTC) == clock.now() == clock.now()

    clock.advance(timedelta(minutes=5))

    assert datetime(2025, 1, 31, 12, 5, tzinfo=UTC) == clock.now()
