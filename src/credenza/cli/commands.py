"""Every command, and the module it lives in. A module is imported when its command is asked for, not before.

To add one: write `credenza/cli/NAME.py` with `app = typer.Typer()` and its `@app.command()`s, and add a line to
`COMMANDS`. A module whose only command has the name of the noun is that command (`credenza serve`); any other
becomes a group (`credenza csr create`). A noun may take its verbs from several modules.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from credenza.cli import habits

Importing: TypeAlias = Callable[[], AbstractContextManager[None]]

_EPILOG = "Every command also takes -o, --quiet, --yes, --profile, --project and --env: credenza --help"


@dataclass(frozen=True, slots=True)
class Entry:
    """`modules` are names in this package. A hidden command is one that only other commands run."""

    name: str
    help: str
    modules: tuple[str, ...]
    hidden: bool = False


COMMANDS = (
    Entry("account", "Accounts of the organization, with workspaces in them.", ("account",)),
    Entry("api", "Send any request to the management API.", ("api",)),
    Entry("audit", "The audit log: list, export, verify.", ("audit", "audit_verify")),
    Entry("auth", "Sign in to a Credenza server and out again.", ("auth",)),
    Entry("ca", "Certificate authorities, own and trusted, for operators.", ("ca", "ca_lists")),
    Entry("call", "Make a call with OAuth 1.0a or 2.0.", ("call",)),
    Entry("catalog", "The whole catalog in one reviewed file, for operators.", ("catalog",)),
    Entry("cert", "TLS client certificates of projects.", ("cert", "cert_verify", "cert_subject")),
    Entry("completion", "Print the completion script of a shell.", ("completion",)),
    Entry("config", "Read and change profiles.", ("config",)),
    Entry("credential", "API credentials: client ids, secrets and what they may do.", ("credential",)),
    Entry("csr", "Make, read and check certification requests.", ("csr",)),
    Entry("db", "Upgrade, check, back up and restore the database, for operators.", ("db",)),
    Entry("debug", "Explain step by step why a call is refused.", ("debug", "debug_oauth2", "debug_mtls")),
    Entry("decrypt", "Decrypt a body that a service has encrypted.", ("decrypt",)),
    Entry("demo", "Serve a seeded demo on this machine.", ("demo",)),
    Entry("doctor", "Check this installation from end to end, for operators.", ("doctor",)),
    Entry("encrypt", "Encrypt a body as a service wants it.", ("encrypt",)),
    Entry("enrolment", "Secrets with which devices enrol by themselves.", ("enrolment",)),
    Entry("expiry", "What expires: list it, check it, put it into a calendar.", ("expiry",)),
    Entry("gateway", "Serve the gates alone.", ("gateway",)),
    Entry("key", "Keys of projects, and private keys in files.", ("key", "key_export")),
    Entry("member", "Who belongs to an organization, for operators.", ("member",)),
    Entry("notices", "Send notices of what expires, for operators.", ("notices",)),
    Entry("org", "Organizations, for operators.", ("org",)),
    Entry("p12", "Read and write PKCS#12 key stores.", ("p12",)),
    Entry("project", "Projects, their environments and their people.", ("project",)),
    Entry("resource-server", "APIs that may introspect tokens, for operators.", ("resource_server",)),
    Entry("role", "Roles that the organization makes of single actions.", ("role",)),
    Entry("serve", "Serve the management API and the gates.", ("server",)),
    Entry("service", "The catalog, for operators.", ("service", "service_payload")),
    Entry("service-key", "Keys that protect payloads between projects and services.", ("service_key",)),
    Entry("sign", "Sign a request, an assertion or a proof, and print it.", ("sign", "sign_oauth2")),
    Entry("token", "Get an OAuth 2.0 token; personal access tokens, for operators.", ("token", "token_get")),
    Entry("token-key", "The keys that sign tokens, for operators.", ("token_key",)),
    Entry("user", "Users, for operators.", ("user",)),
    Entry("version", "Print the version.", ("version",)),
    Entry("webhook", "Webhooks that are told of what expires.", ("webhook",)),
    Entry("workspace", "Workspaces, and which account each is in.", ("workspace",)),
)


class _Lazy(TyperCommand):
    """Stands in for a command until its arguments are to be read: help and completion of others cost nothing."""

    def __init__(self, entry: Entry, importing: Importing) -> None:
        super().__init__(entry.name, help=entry.help, hidden=entry.hidden, rich_markup_mode=None)
        self._entry = entry
        self._importing = importing

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with self._importing():
            command = load(self._entry)
        return command.make_context(*args, **extra)


def root(importing: Importing = nullcontext) -> TyperGroup:
    """Make `credenza` itself. Modules are imported within `importing`."""
    return TyperGroup(
        name="credenza",
        help="Credenza, the credential desk of an API platform.",
        commands={entry.name: _Lazy(entry, importing) for entry in COMMANDS},
        params=[*habits.options(hidden=False)],
        no_args_is_help=True,
        rich_markup_mode=None,
    )


def load(entry: Entry) -> TyperCommand | TyperGroup:
    """Import the modules of an entry and make its command."""
    groups = [get_group(importlib.import_module(f"credenza.cli.{module}").app) for module in entry.modules]
    noun = groups[0]
    noun.name, noun.help = entry.name, entry.help
    noun.commands = {name: command for group in groups for name, command in sorted(group.commands.items())}
    for leaf in _settle(noun):
        leaf.params += habits.options(hidden=True)
        leaf.epilog = _EPILOG
    only = noun.commands.get(entry.name) if len(noun.commands) == 1 else None
    return only if isinstance(only, TyperCommand) else noun


def _settle(group: TyperGroup) -> Iterator[TyperCommand]:
    """Give a tree of groups the plain help that scripts and screen readers can take, and yield its commands."""
    group.rich_markup_mode = None
    group.no_args_is_help = True
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _settle(command)
        elif isinstance(command, TyperCommand):
            command.rich_markup_mode = None
            yield command
