"""The partner's commands talk to a server through the SDK, as the profile says."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from credenza.cli import files, habits, profiles
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.profiles import Profile
from credenza.client import operations
from credenza.client.auth import TokenAuth
from credenza.client.errors import ApiError
from credenza.client.management import ManagementClient
from credenza.wire.shape import FORMS, EnvironmentName, RequestShape

_EXIT_CODES = {401: ExitCode.AUTH, 403: ExitCode.AUTH, 404: ExitCode.NOT_FOUND}


@contextmanager
def client(context: typer.Context) -> Iterator[ManagementClient]:
    """Connect as the profile says; refusals inside become a sentence and an exit code."""
    profile = profiles.current(habits.of(context).profile)
    if profile.url is None or profile.token is None:
        raise CommandFailed(
            "Not signed in. Sign in with: credenza auth login --url URL, or set CREDENZA_URL and CREDENZA_TOKEN.",
            ExitCode.AUTH,
        )
    with ManagementClient(profile.url, TokenAuth(profile.token), verify=trust(profile)) as connected:
        try:
            yield connected
        except ApiError as error:
            raise CommandFailed(_sentences(error), _EXIT_CODES.get(error.status, ExitCode.ERROR)) from error
        except ValidationError as error:
            raise _unsendable(error) from error
        except httpx.TransportError as error:
            raise CommandFailed(f"{profile.url} cannot be reached: {error}.") from error


def trust(profile: Profile) -> ssl.SSLContext:
    """Trust the profile's own authority when it names one, else what the system trusts."""
    if profile.ca_file is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cadata=files.read_text(profile.ca_file))
    except ssl.SSLError:
        raise CommandFailed(f"{profile.ca_file} holds no certificate in PEM.") from None


def trusting(context: typer.Context, ca: Path | None) -> ssl.SSLContext:
    """Trust the authority that a command was given, else as the profile says."""
    profile = profiles.current(habits.of(context).profile)
    return trust(replace(profile, ca_file=ca or profile.ca_file))


def project(context: typer.Context) -> str:
    """The project in force: --project, else the profile's."""
    given = habits.of(context)
    found = given.project or profiles.current(given.profile).project
    if found is None:
        raise CommandFailed(
            "Which project? Give --project ID, or: credenza config set project ID. List them: credenza project list",
            ExitCode.USAGE,
        )
    return found


def environment(context: typer.Context) -> EnvironmentName | None:
    """The environment in force: --env, else the profile's, else none."""
    given = habits.of(context)
    name = given.environment or profiles.current(given.profile).env
    if name is None:
        return None
    return "SANDBOX" if name.lower() == "sandbox" else "PRODUCTION"


def organization(connected: ManagementClient) -> str:
    """The organization that the token belongs to."""
    found = connected.send(operations.get_me()).organization_id
    if found is None:
        raise CommandFailed("This token belongs to no organization.", ExitCode.AUTH)
    return found


def csr_text(path: Path) -> str:
    """Read a certification request as the JSON of the API carries it: PEM, whatever the file holds."""
    octets = files.read(path)
    if octets.lstrip().startswith(b"-----"):
        return octets.decode("utf-8", errors="replace")
    encoded = base64.encodebytes(octets).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{encoded}-----END CERTIFICATE REQUEST-----\n"


def _unsendable(error: ValidationError) -> Exception:
    """What was typed does not fit into the request; an answer that cannot be read is no fault of the user's."""
    if error.title not in _shapes(RequestShape):
        return error
    wrong = (f"{'.'.join(map(str, each['loc']))}: {_wanted(each)}" for each in error.errors())
    return CommandFailed("\n".join(wrong), ExitCode.USAGE)


def _shapes(parent: type[RequestShape]) -> frozenset[str]:
    """Name what can be sent: a shape often extends another one."""
    children = parent.__subclasses__()
    return frozenset(each.__name__ for each in children).union(*map(_shapes, children))


def _wanted(found: ErrorDetails) -> str:
    return FORMS.get(str(found.get("ctx", {}).get("pattern", "")), found["msg"])


def _sentences(error: ApiError) -> str:
    lines = [f"{each.description} ({each.reason_code})" for each in error.errors]
    return "\n".join(lines) if error.status < 500 else f"{lines[0]} The server's log has request {error.request_id}."
