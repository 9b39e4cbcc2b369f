"""Checks of the machine an installation stands on, for `credenza doctor`: files, ports, TLS, replay memory, clocks."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from sqlalchemy import Connection, text

from credenza.adapters.vault import WrongKey
from credenza.adapters.weak_keys import WeakKeys
from credenza.cli import listeners, local
from credenza.cli.checks import Check
from credenza.cli.listeners import Listener
from credenza.settings import Settings
from credenza.store.engine import Database, reading
from credenza.store.redis_replay import RedisReplay
from credenza.store.replay import BYTES_PER_KEY, RESERVE_BYTES

CLOCKS_APART = timedelta(seconds=2)
_TLS_ENDS_SOON = timedelta(days=30)
_PATIENCE_S = 2.0
_DURABLE_COMMITS = frozenset({"on", "remote_apply"})
_NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3"}
)


def directory_check(settings: Settings) -> Check:
    directory = settings.data_dir
    if not directory.is_dir():
        return Check("data_directory", ok=False, detail=f"{directory} is not there", cure="Run: credenza serve")
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return Check("data_directory", ok=False, detail=f"{directory} is not ours to write", cure=_run_as_owner())
    mode = directory.stat().st_mode & 0o777
    if mode & 0o077:
        cure = f"Run: chmod 700 {directory}"
        return Check("data_directory", ok=False, detail=f"{directory} is open to others (mode {mode:04o})", cure=cure)
    return Check("data_directory", ok=True, detail=f"{directory}, for its owner alone")


def key_encryption_key_check(settings: Settings) -> Check:
    try:
        local.existing_vault(settings)
    except (WrongKey, OSError) as error:
        cure = "Put back the key of this installation; a new one opens nothing."
        return Check("key_encryption_key", ok=False, detail=str(error), cure=cure)
    place = settings.key_path if settings.key_encryption_key is None else "CREDENZA_KEY_ENCRYPTION_KEY"
    return Check("key_encryption_key", ok=True, detail=f"{place}: 32 bytes, for its owner alone")


def clock_check(database: Database) -> Check:
    """Compare the database's clock with ours, allowing for the time the question took (threat 25)."""
    if database.embedded:
        return Check("clock", ok=True, detail="the database is on this machine")
    with reading(database.records) as connection:
        asked = local.now()
        told: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        answered = local.now()
    apart = max(asked - told, told - answered, timedelta(0))
    detail = f"{apart.total_seconds():.1f} s from the database's"
    return Check("clock", apart <= CLOCKS_APART, detail, "Let both machines keep time: chrony or systemd-timesyncd")


def durability_checks(database: Database) -> Iterator[Check]:
    """Whether what was answered is on disk (R6)."""
    with reading(database.records) as connection:
        if database.embedded:
            journal, synchronous = (
                _setting(connection, "PRAGMA journal_mode"),
                _setting(connection, "PRAGMA synchronous"),
            )
            sound = (journal, synchronous) == ("wal", "2")
            detail = f"journal_mode={journal}, synchronous={synchronous}"
            yield Check("durability", sound, detail, "Put the data directory on a local disk that SQLite can lock.")
            return
        for name, accepted in (
            ("synchronous_commit", _DURABLE_COMMITS),
            ("fsync", frozenset({"on"})),
            ("full_page_writes", frozenset({"on"})),
        ):
            value = _setting(connection, f"SHOW {name}")
            cure = f"Set {name} = on in PostgreSQL: a crash may undo a revocation that was answered."
            yield Check(name, value in accepted, value, cure)


def replay_checks(settings: Settings) -> Iterator[Check]:
    if settings.replay_url:
        yield from _redis_checks(settings)
        return
    directory = settings.data_dir / "replay"
    standing = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    if not os.access(standing, os.W_OK | os.X_OK):
        yield Check("replay_memory", ok=False, detail=f"{directory} cannot be written", cure=_run_as_owner())
        return
    kind = _file_system(standing)
    if kind in _NETWORK_FILE_SYSTEMS:
        cure = "Put the data directory on a local disk, or let machines share a Redis: CREDENZA_REPLAY_URL"
        yield Check("replay_memory", ok=False, detail=f"{directory} is on {kind}, which LMDB cannot share", cure=cure)
        return
    yield _space_check(settings, directory, standing)


def port_check(listener: Listener) -> Check:
    """Whether a listener could start here, or already has."""
    name = listener.name.replace(" ", "_")
    if _answers_as_ours(listener):
        return Check(name, ok=True, detail=f"{listener.bind} is served by Credenza")
    try:
        _try(listener)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        detail = f"{listener.bind} is taken by another program" if taken else f"{listener.bind}: {error.strerror}"
        return Check(name, ok=False, detail=detail, cure="Stop what listens there, or choose another address.")
    return Check(name, ok=True, detail=f"{listener.bind} is free")


def tls_checks(settings: Settings, *, now: datetime) -> Iterator[Check]:
    pairs = {
        "TLS_of_the_gates": (settings.tls_certificate, settings.tls_private_key),
        "TLS_of_the_management_API": (settings.manage_tls_certificate, settings.manage_tls_private_key),
    }
    for name, (certificate, private_key) in pairs.items():
        if certificate is None or private_key is None:
            yield Check(name, ok=True, detail="none: plain HTTP")
        else:
            yield _tls_check(name, certificate, private_key, now)


def weak_keys_check() -> Check:
    if WeakKeys().installed:
        return Check("known_weak_keys", ok=True, detail="badkeys is installed")
    cure = "Install the extra to refuse them: pip install 'credenza[badkeys]'"
    return Check("known_weak_keys", ok=None, detail="type, size and exponent alone are checked", cure=cure)


def _run_as_owner() -> str:
    return "Run as the account that owns it."


def _setting(connection: Connection, question: str) -> str:
    return str(connection.execute(text(question)).scalar_one())


def _redis_checks(settings: Settings) -> Iterator[Check]:
    window = timedelta(seconds=settings.max_skew_s)

    async def ask() -> tuple[str, ...]:
        memory = RedisReplay(settings.replay_url, remember=2 * window, ahead=window)
        try:
            return await memory.warnings()
        finally:
            await memory.close()

    warnings = asyncio.run(ask())
    for warning in warnings:
        yield Check(
            "replay_memory", ok=False, detail=warning, cure="A Redis that forgets admits replays; configure it."
        )
    if not warnings:
        yield Check("replay_memory", ok=True, detail="Redis syncs every write and evicts nothing")


def _space_check(settings: Settings, directory: Path, standing: Path) -> Check:
    needed = 2 * settings.replay_capacity * BYTES_PER_KEY + RESERVE_BYTES
    allocated = directory / "data.mdb"
    missing = needed - (allocated.stat().st_blocks * 512 if allocated.exists() else 0)
    free = shutil.disk_usage(standing).free
    detail = f"{directory}: {max(missing, 0) >> 20} MiB to set aside, {free >> 20} MiB free"
    return Check("replay_memory", missing < free, detail, "Free space, or lower CREDENZA_REPLAY_CAPACITY.")


def _file_system(path: Path) -> str:
    """Find what kind of file system a path is on: the last mount of the longest prefix (proc(5), mountinfo)."""
    found = ("", "unknown")
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    for mount in mounts:
        place, kind = mount.split()[4], mount.partition(" - ")[2].split()[0]
        if path.resolve().is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def _try(listener: Listener) -> None:
    """Bind and let go. A Unix socket is only looked at: binding one takes it from who listens there."""
    if not listener.bind.startswith("unix:"):
        listeners.bind(listener).close()
        return
    path = Path(listener.bind[5:])
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(_PATIENCE_S)
        if path.exists() and caller.connect_ex(str(path)) == 0:
            raise OSError(errno.EADDRINUSE, "taken")
    if not os.access(path.parent, os.W_OK):
        raise OSError(errno.EACCES, f"{path.parent} cannot be written")


def _answers_as_ours(listener: Listener) -> bool:
    """The management API and decisions tell their health; a gate refuses an unsigned call in its own words."""
    scheme = "http" if listener.certificate is None else "https"
    path = listener.bind[5:] if listener.bind.startswith("unix:") else None
    authority = "localhost" if path else listener.bind.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
    # Nothing is told to whoever answers, so its certificate need not be trusted.
    transport = httpx.HTTPTransport(verify=False, uds=path)
    try:
        with httpx.Client(transport=transport, timeout=_PATIENCE_S, trust_env=False) as client:
            answer = client.get(f"{scheme}://{authority}/health")
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return False
    return answer.text.strip() in ("ok", '{"status":"ok"}') or '"Source":"Gateway"' in answer.text.replace(" ", "")


def _tls_check(name: str, certificate: Path, private_key: Path, now: datetime) -> Check:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, private_key)
        ends = x509.load_pem_x509_certificates(certificate.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        cure = "Both must be PEM, readable to us, and belong together."
        return Check(name, ok=False, detail=f"{certificate} and {private_key}: {error}", cure=cure)
    return Check(name, ends - now > _TLS_ENDS_SOON, f"{certificate} until {ends:%Y-%m-%d}", "Renew it and restart.")
