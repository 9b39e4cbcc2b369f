"""`credenza ca`: the platform's own certificate authorities, and those of others that it trusts, for operators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from credenza.actions import authorities, trusted_authorities
from credenza.actions.authorities import AuthorityView, OwnAuthority
from credenza.actions.context import Platform
from credenza.actions.trusted_authorities import NewTrust, TrustView
from credenza.cli import files, habits, local, output, passwords
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.model import Actor, EnvironmentName

app = typer.Typer()
trust = typer.Typer(help="Authorities of others that partners may bring certificates of.")
app.add_typer(trust, name="trust")

_COLUMNS = ("id", "environment", "state", "subject", "notAfter", "keyIn")
_TRUST_COLUMNS = ("id", "environment", "name", "subject", "anchor", "checksRevocation", "notAfter", "disabledAt")

TrustedId = Annotated[str, typer.Argument(metavar="ID", help="Its id: credenza ca trust list")]


@app.command()
def view(
    context: typer.Context,
    authority_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One of them, with all that it says.")
    ] = None,
) -> None:
    """View the platform's own authorities: those that sign, come next or are retired, and what is above them."""
    with local.platform(local.load_settings()) as platform:
        if authority_id is None:
            found = local.attempt(lambda: authorities.list_all(platform, local.OPERATOR, now=local.now()))
            output.show_list(context, [_row(each) for each in found], columns=_COLUMNS)
            return
        one = local.attempt(lambda: authorities.get(platform, local.OPERATOR, authority_id, now=local.now()))
    output.show(context, _row(one))


@app.command()
def init(context: typer.Context) -> None:
    """Begin anew with a root of its own: it and the next authority below are published, and do not sign yet."""
    _publish(context, authorities.start_anew)


@app.command("roll-over")
def roll_over(
    context: typer.Context,
    *,
    finish: Annotated[
        bool, typer.Option("--finish", help="Let the next authority sign, and retire the one before it.")
    ] = False,
) -> None:
    """Publish the next authority below the present root; with --finish, when everybody has it, let it sign."""
    _publish(context, authorities.let_next_sign if finish else authorities.publish_next)


@app.command("import")
def import_own(
    context: typer.Context,
    certificates: Annotated[Path, typer.Argument(help="PEM: the authority's certificate, then those above it.")],
    key: Annotated[Path | None, typer.Option(help="Its private key: PEM, DER or PKCS#12.")] = None,
    key_uri: Annotated[
        str, typer.Option(metavar="URI", help="Its private key in a token: pkcs11:token=ca;object=issuing (RFC 7512).")
    ] = "",
    password_file: passwords.PasswordFile = None,
) -> None:
    """Take an authority of your own as the next one; `ca roll-over --finish` lets it sign."""
    private_key = b"" if key is None else files.read(key)
    own = OwnAuthority(
        certificates=files.read(certificates),
        private_key=private_key,
        password=_password(password_file, private_key),
        key_uri=key_uri,
    )

    def bring(platform: Platform, actor: Actor, environment: EnvironmentName, *, now: datetime) -> AuthorityView:
        return authorities.import_next(platform, actor, environment, own, now=now)

    _publish(context, bring)


@trust.command("list")
def list_trusted(context: typer.Context) -> None:
    """List the authorities that are and were trusted."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: trusted_authorities.list_all(platform, local.OPERATOR, now=local.now()))
    output.show_list(context, [_trust_row(each) for each in found], columns=_TRUST_COLUMNS)


@trust.command("view")
def view_trusted(context: typer.Context, authority_id: TrustedId) -> None:
    """View a trusted authority, and its revocation lists as they were last found."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: trusted_authorities.get(platform, local.OPERATOR, authority_id, now=local.now()))
    lists = [f"{each.url}: {each.error or f'good until {each.next_update}'}" for each in found.lists]
    output.show(context, _trust_row(found) | {"revocationLists": lists})


@trust.command("add")
def add_trusted(
    context: typer.Context,
    certificate: Annotated[Path, typer.Argument(help="Its certificate, PEM or DER.")],
    name: Annotated[str, typer.Option(help="What it is called in lists.")],
    anchor: Annotated[
        bool | None,
        typer.Option(
            "--anchor/--no-anchor", help="Whether paths may end at it. Left out: if its certificate signs itself."
        ),
    ] = None,
    *,
    check_revocation: Annotated[bool, typer.Option(help="Look its revocation list up.")] = False,
    crl_url: Annotated[str, typer.Option(metavar="URL", help="Where that is; else its certificates say it.")] = "",
) -> None:
    """Trust an authority in one environment."""
    new = NewTrust(
        environment=_environment(context),
        name=name,
        certificate=files.read(certificate),
        is_anchor=anchor,
        checks_revocation=check_revocation,
        crl_url=crl_url,
    )
    with local.platform(local.load_settings()) as platform:
        added = local.attempt(lambda: trusted_authorities.add(platform, local.OPERATOR, new, now=local.now()))
    output.show(context, _trust_row(added))


@trust.command("check-revocation")
def check_revocation(
    context: typer.Context,
    authority_id: TrustedId,
    *,
    off: Annotated[bool, typer.Option("--off", help="Look it up no more.")] = False,
    crl_url: Annotated[str, typer.Option(metavar="URL", help="Where it is; else its certificates say it.")] = "",
) -> None:
    """Look an authority's revocation list up from now on, and refuse what stands on it."""
    with local.platform(local.load_settings()) as platform:
        changed = local.attempt(
            lambda: trusted_authorities.check_revocation(
                platform, local.OPERATOR, authority_id, checks=not off, crl_url=crl_url, now=local.now()
            )
        )
    output.show(context, _trust_row(changed))


@trust.command("disable")
def disable_trusted(context: typer.Context, authority_id: TrustedId) -> None:
    """Trust an authority no more: certificates of it are refused at once."""
    if not habits.of(context).yes:
        typer.confirm(f"Disable {authority_id}? Certificates of it are refused from now on.", abort=True, err=True)
    with local.platform(local.load_settings()) as platform:
        reach = local.attempt(
            lambda: trusted_authorities.disable(platform, local.OPERATOR, authority_id, now=local.now())
        )
    output.note(context, f"Disabled; {reach.confirmed} of {reach.gates} gates confirmed, {reach.lapsed} had no lease.")


def _publish(context: typer.Context, publish: Callable[..., AuthorityView]) -> None:
    environment = _environment(context)
    with local.platform(local.load_settings()) as platform:
        done = local.attempt(lambda: publish(platform, local.OPERATOR, environment, now=local.now()))
    output.show(context, _row(done))
    output.note(context, _NEXT_STEPS[done.state])


_NEXT_STEPS = {
    "next": "It is published and trusted. When everybody who builds chains has it, let it sign: credenza ca roll-over "
    "--finish",
    "signs": "It signs from now on. The one before it stays trusted until it ends; its lists and answers go on.",
}


def _environment(context: typer.Context) -> EnvironmentName:
    named = habits.of(context).environment
    if named is None:
        raise CommandFailed("Which environment? Give --env sandbox or --env production.", ExitCode.USAGE)
    return EnvironmentName(named.name)


def _password(file: Path | None, private_key: bytes) -> bytes:
    """Ask for a password only where there is something to open."""
    is_open = not private_key or (private_key.lstrip().startswith(b"-----") and b"ENCRYPTED" not in private_key)
    return b"" if is_open and file is None else passwords.existing(file).ask("Password of the private key").encode()


def _row(view: AuthorityView) -> dict[str, object]:
    own = view.authority
    return {
        "id": own.id,
        "environment": own.environment,
        "state": view.state,
        "subject": view.description.subject,
        "issuer": view.description.issuer,
        "notBefore": view.description.not_before,
        "notAfter": view.description.not_after,
        "keyAlgorithm": view.description.key_algorithm,
        "sha256": view.description.x5t_s256_hex,
        "keyIn": own.key_uri or ("database" if own.has_key else "elsewhere"),
        "signsFrom": own.signs_from,
        "retiredAt": own.retired_at,
        "certificateUrl": view.places.certificate,
        "revocationListUrl": view.places.revocation_list,
        "statusUrl": view.places.status,
    }


def _trust_row(view: TrustView) -> dict[str, object]:
    trusted = view.trusted
    return {
        "id": trusted.id,
        "environment": trusted.environment,
        "name": trusted.name,
        "subject": view.description.subject,
        "issuer": view.description.issuer,
        "notAfter": view.description.not_after,
        "sha256": view.description.x5t_s256_hex,
        "anchor": trusted.is_anchor,
        "checksRevocation": trusted.checks_revocation,
        "crlUrl": trusted.crl_url,
        "disabledAt": trusted.disabled_at,
    }
