"""`credenza demo`: an installation that is already alive, on this machine alone."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import structlog
import typer
import uvloop
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from credenza.actions import accounts, organizations, sign_in_links, workspaces
from credenza.cli import (
    demo_api_credentials,
    demo_catalog,
    demo_payloads,
    demo_seed,
    demo_tls,
    files,
    listeners,
    local,
    logs,
    output,
    preparing,
    profiles,
    serve,
)
from credenza.cli.demo_apis import Apis, Place
from credenza.cli.demo_seed import PartnerKey, Seeded
from credenza.cli.demo_upstream import Upstream
from credenza.cli.failure import CommandFailed
from credenza.cli.listeners import Listener
from credenza.cli.profiles import Config, Profile
from credenza.cli.roles import Role
from credenza.cli.serve import Started
from credenza.client.auth import OAuth1Auth, PrivateKeyJwtAuth
from credenza.client.errors import IssuerUnavailable, TokenRefused
from credenza.client.keys import ClientKey, GivenKey
from credenza.protocol import pkcs12
from credenza.settings import Settings

app = typer.Typer()
log = structlog.get_logger()

_UPSTREAM = Listener("demo upstream", "127.0.0.1:9000")
_SEEDED = "demo.json"
_REPLAY_CAPACITY = 50_000
_TERMINAL = "terminal-sandbox"
_CALLS = {
    "checkout-sandbox": ("sandbox", "/payments/charges?limit=20"),
    "checkout-2025": ("production", "/payments/charges"),
    "checkout-2026": ("production", "/payments/refunds?since=yesterday"),
    "billing-expiring": ("sandbox", "/reports/settlements"),
    "ledger-sandbox": ("sandbox", "/payments/charges?settled=true"),
    "checkout-laptop": ("sandbox", "/payments/charges"),
    _TERMINAL: ("sandbox", "/terminals/7/receipts"),
}
"""Who calls what while the demo runs; the last key is revoked, so that there are refusals to look at."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What a run of the demo needs to know about what was seeded; kept in `demo.json`."""

    directory: Path
    project_id: str
    organization: str
    token: str
    keys: Mapping[str, PartnerKey]
    account_key: PartnerKey


@app.command()
def demo(
    context: typer.Context,
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where everything lives.")] = Path(
        "data/demo"
    ),
    reset: Annotated[bool, typer.Option("--reset", help="Throw the earlier demo away and begin anew.")] = False,
) -> None:
    """Serve a seeded installation with a small API behind the gate and a few callers."""
    os.umask(0o077)
    directory = directory.absolute()
    if reset and directory.exists():
        _throw_away(directory)
    settings = _settings(directory)
    logs.configure(settings.log_level)
    running = _bind(settings)
    preparing.prepare(settings, Role.ALL)
    known = _load(directory) or _seed(directory, settings)
    _write_env(known, settings)
    output.note(context, _welcome(known, _sign_in_link(settings)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, running, known))


def _settings(directory: Path) -> Settings:
    tls = demo_tls.files_in(directory)
    if not tls.certificate.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        demo_tls.make(directory, now=local.now())
    os.environ |= _variables(directory)
    return local.load_settings()


def _variables(directory: Path) -> dict[str, str]:
    """The settings of the demo, for itself and for the operator's commands in another shell."""
    tls = demo_tls.files_in(directory)
    return {
        "CREDENZA_DATA_DIR": str(directory),
        "CREDENZA_TLS_CERTIFICATE": str(tls.certificate),
        "CREDENZA_TLS_PRIVATE_KEY": str(tls.private_key),
        "CREDENZA_SANDBOX_ORIGIN": "https://localhost:8443",
        "CREDENZA_PRODUCTION_ORIGIN": "https://localhost:8444",
        "CREDENZA_REPLAY_CAPACITY": str(_REPLAY_CAPACITY),
        "CREDENZA_LOG_LEVEL": os.environ.get("CREDENZA_LOG_LEVEL", "warning"),
    }


def _bind(settings: Settings) -> dict[str, Any]:
    found = {}
    for each in (*serve.listening(settings, Role.ALL), _UPSTREAM):
        try:
            found[each.name] = listeners.bind(each)
        except OSError as error:
            raise CommandFailed(
                f"{error.strerror}. Is another demo running? Stop it, then start this one again."
            ) from error
    return found


def _seed(directory: Path, settings: Settings) -> Demo:
    with local.platform(settings) as platform:
        partner, now = directory / "partner", local.now()
        seeded = demo_seed.seed(platform, partner, upstream=f"http://{_UPSTREAM.bind}", now=now)
        seeded = demo_seed.add_ledger(platform, partner, seeded, now=now)
        seeded = demo_seed.add_terminals(platform, partner, seeded, upstream=f"http://{_UPSTREAM.bind}", now=now)
        demo_payloads.seed(platform, partner, seeded, upstream=f"http://{_UPSTREAM.bind}", now=now)
        demo_catalog.seed(platform, upstream=f"http://{_UPSTREAM.bind}", now=now)
        demo_api_credentials.seed(platform, partner, seeded, now=now)
    known = _known(directory, seeded)
    files.write_secret(directory / _SEEDED, msgspec.json.encode(known, enc_hook=str), overwrite=True)
    return known


def _sign_in_link(settings: Settings) -> str:
    with local.platform(settings) as platform:
        token = sign_in_links.make(platform, local.OPERATOR, demo_seed.ADMIN, now=local.now())
        return sign_in_links.link_to(platform, token)


def _apis(settings: Settings, known: Demo) -> Apis:
    """The APIs behind the gate, with the organization's tree as it is now."""
    with local.platform(settings) as platform:
        now = local.now()
        organization = organizations.get_by_name(platform, local.OPERATOR, known.organization, now=now)
        above = accounts.list_all(platform, local.OPERATOR, organization.id, now=now)
        below = workspaces.list_all(platform, local.OPERATOR, organization.id, now=now)
    return Apis(
        {
            Place(account.id, account.name): tuple(
                Place(each.id, each.name) for each in below if each.account_id == account.id
            )
            for account in above
        }
    )


def _known(directory: Path, seeded: Seeded) -> Demo:
    return Demo(
        directory=directory,
        project_id=seeded.project.id,
        organization=seeded.organization.name,
        token=seeded.token,
        keys=seeded.keys,
        account_key=seeded.account_key,
    )


def _load(directory: Path) -> Demo | None:
    path = directory / _SEEDED
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=Demo, dec_hook=lambda kind, value: kind(value))


def _throw_away(directory: Path) -> None:
    """Remove an earlier demo, and nothing that is not one."""
    if not (directory / _SEEDED).exists() and any(directory.iterdir()):
        raise CommandFailed(f"{directory} holds no demo; it is left as it is.")
    shutil.rmtree(directory)


def _write_env(known: Demo, settings: Settings) -> None:
    """Write what a shell has to know, and a profile for the command line."""
    tls = demo_tls.files_in(known.directory)
    profile_file = known.directory / "config.toml"
    call_key = known.keys["checkout-sandbox"]
    profile = Profile(
        "demo",
        url=settings.manage_origin,
        token=known.token,
        project=known.project_id,
        env="sandbox",
        consumer_key=call_key.consumer_key,
        key_file=call_key.path,
        ca_file=tls.authority,
    )
    profiles.save_to(profile_file, Config("demo", (profile,)))
    laptop, ledger = known.keys["checkout-laptop"], known.keys["ledger-sandbox"]
    lines = {
        "CREDENZA_PROFILES": profile_file,
        **_variables(known.directory),
        "CHECKOUT_PROJECT": known.project_id,
        "CHECKOUT_CONSUMER_KEY": call_key.consumer_key,
        "CHECKOUT_KEY": call_key.path,
        "LAPTOP_CONSUMER_KEY": laptop.consumer_key,
        "LAPTOP_KEY": laptop.path,
        "LEDGER_CONSUMER_KEY": ledger.consumer_key,
        "LEDGER_KEY": ledger.path,
        "TERMINAL_CERTIFICATE": known.keys[_TERMINAL].path,
        "ACCOUNT_CONSUMER_KEY": known.account_key.consumer_key,
        "ACCOUNT_KEY": known.account_key.path,
        "DEMO_CA": tls.authority,
    }
    text = "".join(f"export {name}='{value}'\n" for name, value in lines.items())
    client = known.directory / "partner" / demo_api_credentials.CLIENT
    text += f". '{client}'\n" if client.exists() else ""  # a demo of an earlier release has none
    scripts = Path(sys.executable).parent
    files.write_secret(known.directory / "env", f"{text}export PATH='{scripts}':\"$PATH\"\n".encode(), overwrite=True)


def _welcome(known: Demo, link: str) -> str:
    shown = os.path.relpath(known.directory)
    return f"""
Credenza is running, with {known.organization} as its first organization. It is a demo: for this machine only.

Open the portal, signed in as its admin, once and within 15 minutes:

  {link}

  portal    http://localhost:8080    (seeds' API below /developer, our own below /api, /openapi.json)
  sandbox   https://localhost:8443   production  https://localhost:8444
  data      {shown}                  (partner's private keys in {shown}/partner)

In a second terminal:

  . {shown}/env
  credenza call GET https://localhost:8443/payments/42

is admitted. A key that was revoked yesterday is refused, and you can ask why:

  credenza call GET https://localhost:8443/payments/42 --consumer-key "$LAPTOP_CONSUMER_KEY" --key "$LAPTOP_KEY"
  credenza debug oauth1 --last

With OAuth 2.0, a token is fetched with the key first:

  credenza call GET https://localhost:8443/payments/42 --auth oauth2 \\
    --consumer-key "$LEDGER_CONSUMER_KEY" --key "$LEDGER_KEY"

With a TLS client certificate, which the gates ask for themselves:

  curl --cacert "$DEMO_CA" --cert "$TERMINAL_CERTIFICATE" https://localhost:8443/terminals/7

With a client id and secret, for what was ticked and no more:

  TOKEN=$(curl -s --cacert "$DEMO_CA" -u "$API_CLIENT_ID:$API_CLIENT_SECRET" -d grant_type=client_credentials \\
    https://localhost:8443/sso/oauth/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl --cacert "$DEMO_CA" -H "Authorization: Bearer $TOKEN" \\
    "https://localhost:8443/profile/v1/workspaces/$API_WORKSPACE/profiles"

With a payload that only the platform reads, and an answer that only you do:

  credenza encrypt --to {shown}/partner/tokenize-requests-2026.pem --body-text '{{"card": "5123456789012346"}}' |
    credenza call POST https://localhost:8443/tokenize/cards --body - |
    credenza decrypt --key {shown}/partner/tokenize-responses-2026.pem --body -

Another link to the portal: credenza user sign-in-link {demo_seed.ADMIN}
Also: credenza project list, credenza key list, credenza key view KID (who calls), credenza audit list.
Stop with Ctrl-C. Start over with: credenza demo --reset
"""


async def _run(settings: Settings, sockets: Mapping[str, Any], known: Demo) -> None:
    upstream = listeners.make_server(_UPSTREAM, Upstream(_apis(settings, known)))
    stopping = asyncio.Event()
    calling = asyncio.create_task(_call_on(known, settings))
    serving_upstream = asyncio.create_task(listeners.serve([(upstream, sockets[_UPSTREAM.name])], stopping))
    try:
        await serve.serve_until_stopped(Started(settings, Role.ALL, sockets))
    finally:
        stopping.set()
        calling.cancel()
        with suppress(asyncio.CancelledError):
            await calling
        await serving_upstream


async def _call_on(known: Demo, settings: Settings) -> None:
    """A few partners' programs at work, each call authenticated as any client would."""
    origins = {"sandbox": settings.sandbox_origin, "production": settings.production_origin}
    auths = {name: _auth(known.keys[name], origins[environment]) for name, (environment, _) in _CALLS.items()}
    async with _program(known) as program, _terminal(known) as terminal:
        while True:
            for name, (environment, target) in _CALLS.items():
                with suppress(httpx.TransportError, TokenRefused, IssuerUnavailable):
                    caller = terminal if name == _TERMINAL else program
                    await caller.get(origins[environment] + target, auth=auths[name])
                await asyncio.sleep(random.uniform(0.5, 3.0))  # noqa: S311 - a pace, not a secret


def _program(known: Demo) -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=_trust(known), timeout=5, headers={"User-Agent": "acme-batch/2.1"})


def _terminal(known: Demo) -> httpx.AsyncClient:
    """A till, which shows its certificate to whoever asks."""
    context = _trust(known)
    context.load_cert_chain(known.keys[_TERMINAL].path)
    return httpx.AsyncClient(verify=context, timeout=5, headers={"User-Agent": "acme-till/4.0"})


def _trust(known: Demo) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=demo_tls.files_in(known.directory).authority)


def _auth(key: PartnerKey, origin: str) -> httpx.Auth | None:
    """RSA keys sign calls with OAuth 1.0a; the seed's EC keys are one of OAuth 2.0 and one that TLS takes."""
    if key.name == _TERMINAL:
        return None
    private_key = pkcs12.load_private_key(key.path.read_bytes(), None)
    if isinstance(private_key, RSAPrivateKey):
        return OAuth1Auth(key.consumer_key, private_key)
    client_id, _, kid = key.consumer_key.partition("!")
    keys = GivenKey(ClientKey(private_key, kid))
    return PrivateKeyJwtAuth(origin, client_id, keys, scopes=demo_seed.SCOPES)
