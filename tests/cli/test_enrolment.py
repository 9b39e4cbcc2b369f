"""`credenza enrolment` against a real server."""

from __future__ import annotations

import stat

from tests.cli.test_certificates import Desk, desk, project

__all__ = ["desk", "project"]


def test_a_secret_is_written_for_its_owner_alone_listed_and_revoked(desk: Desk, project: str) -> None:
    made = desk.run("enrolment", "create", "--alias", "till-7", "--file", "secret", project=project)
    (listed,) = desk.done("enrolment", "list", project=project)
    revoked = desk.run("enrolment", "revoke", listed["id"], project=project)
    (after,) = desk.done("enrolment", "list", project=project)

    assert (made.code, revoked.code) == (0, 0), (made, revoked)
    written = desk.directory / "secret"
    assert written.read_text().startswith("cze_")
    assert written.read_text().strip() not in made.out + made.err + str(listed)
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert (listed["alias"], listed["environment"], listed["usedAt"]) == ("till-7", "SANDBOX", None)
    assert after["revokedAt"] is not None


def test_a_file_that_is_there_is_kept_and_no_secret_is_made(desk: Desk, project: str) -> None:
    before = desk.done("enrolment", "list", project=project)
    desk.write("taken", b"mine")

    ran = desk.run("enrolment", "create", "--alias", "x", "--file", "taken", project=project)

    assert ran.code != 0
    assert (desk.directory / "taken").read_bytes() == b"mine"
    assert desk.done("enrolment", "list", project=project) == before
