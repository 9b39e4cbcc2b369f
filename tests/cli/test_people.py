"""`credenza user` and `credenza member`: what an operator does about people, on the server."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.actions.proofs import PASSWORD, VISITOR
from tests.cli.installation import Installation

from credenza.actions import invitations, password_resets, passwords, roles, sign_in_links
from credenza.actions.context import Platform
from credenza.actions.sessions import Begun
from credenza.cli import local


@pytest.fixture
def peopled(installation: Installation) -> Installation:
    installation.done("org", "create", "Acme")
    installation.done("user", "create", "ann@example.org", "--name", "Ann")
    return installation


def link_of(installation: Installation, *words: str, path: str) -> str:
    """Run a command that prints a link; the token in it."""
    link = urlsplit(installation.done(*words, "-o", "json").document["link"])
    assert f"{link.scheme}://{link.netloc}{link.path}" == f"http://localhost:8080{path}"
    return parse_qs(link.query)["token"][0]


def now() -> datetime:
    return datetime.now(UTC)


def test_links_set_a_password_and_sign_in(peopled: Installation) -> None:
    reset = link_of(peopled, "user", "reset-link", "ann@example.org", path="/password-reset")
    with local.platform(local.load_settings()) as platform:
        password_resets.accept(platform, reset, PASSWORD, VISITOR, now=now())
        begun = passwords.sign_in(platform, "ann@example.org", PASSWORD, VISITOR, now=now())
        assert isinstance(begun, Begun)
    link = link_of(peopled, "user", "sign-in-link", "ann@example.org", path="/sign-in/link")
    with local.platform(local.load_settings()) as platform:
        sign_in_links.accept(platform, link, VISITOR, now=now())
        assert_hash_is_strong(platform)

    listed = peopled.done("user", "sessions", "ann@example.org", "-o", "json").document

    assert sorted(each["method"] for each in listed) == ["link", "password"]
    assert "2 sessions" in peopled.done("user", "sign-out", "ann@example.org").err
    assert peopled.done("user", "sessions", "ann@example.org", "-o", "json").document == []


def assert_hash_is_strong(platform: Platform) -> None:
    assert "m=47104,t=1,p=1" in platform.passwords.hash("x")


def test_a_disabled_user_is_enabled_again(peopled: Installation) -> None:
    peopled.done("user", "disable", "ann@example.org")
    (listed,) = peopled.done("user", "list", "-o", "json").document
    assert listed["disabledAt"] is not None

    peopled.done("user", "enable", "ann@example.org")

    (listed,) = peopled.done("user", "list", "-o", "json").document
    assert listed["disabledAt"] is None


def test_somebody_is_invited_and_the_invitation_withdrawn(peopled: Installation) -> None:
    token = link_of(
        peopled, "member", "invite", "eve@example.org", "--org", "Acme", "--role", "admin", path="/invitation"
    )
    with local.platform(local.load_settings()) as platform:
        assert invitations.look(platform, token, now=now()).organization.name == "Acme"
    (listed,) = peopled.done("member", "invitations", "--org", "Acme", "-o", "json").document
    assert (listed["email"], listed["role"]) == ("eve@example.org", "admin")

    peopled.done("member", "withdraw", "eve@example.org", "--org", "Acme")

    assert peopled.done("member", "invitations", "--org", "Acme", "-o", "json").document == []
    assert peopled.run("member", "withdraw", "eve@example.org", "--org", "Acme").exit_code == 3


@pytest.mark.parametrize("command", ["reset-link", "sign-in-link", "sessions", "sign-out", "disable", "enable"])
def test_nobody_of_that_address_is_an_error_of_its_own(peopled: Installation, command: str) -> None:
    refused = peopled.run("user", command, "nobody@example.org")

    assert (refused.exit_code, "no user" in refused.err) == (3, True)
    assert refused.out == ""


def test_a_role_of_the_organization_s_own_is_given_by_its_name(peopled: Installation) -> None:
    with local.organization("Acme") as (platform, found):
        place = (platform, local.OPERATOR, found.id)
        roles.create(*place, name="Viewers", actions=["api_credential.view"], now=now())

    added = peopled.done(
        "member", "add", "ann@example.org", "--org", "Acme", "--custom-role", "Viewers", "-o", "json"
    ).document
    peopled.done("member", "invite", "eve@example.org", "--org", "Acme", "--custom-role", "Viewers")

    assert added["role"] == "Viewers"
    (listed,) = peopled.done("member", "invitations", "--org", "Acme", "-o", "json").document
    assert (listed["role"], listed["customRole"]) == ("custom", "Viewers")
    missing = peopled.run("member", "add", "ann@example.org", "--org", "Acme", "--custom-role", "Nothing")
    assert missing.exit_code == 3
