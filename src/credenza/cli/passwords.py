"""Passwords: from a file, from the environment, or typed where nobody sees it. Never from the command line, where
`ps` and the shell's history show them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from credenza.cli import files
from credenza.cli.failure import CommandFailed
from credenza.protocol import pkcs12

PasswordFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="FILE", help="Its first line is the password. Or set CREDENZA_KEY_PASSWORD."
    ),
]
NewPasswordFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--new-password-file", metavar="FILE", help="Its first line is the new password. Or set CREDENZA_NEW_PASSWORD."
    ),
]


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where a password is taken from: the file, else the variable, else the person."""

    file: Path | None
    option: str
    variable: str

    def ask(self, prompt: str) -> str:
        """Return the password of something that exists."""
        given = self._given()
        return given if given is not None else self._typed(prompt, confirm=False)

    def ask_new(self, prompt: str) -> str:
        """Return a password for something that is being made; Java and OpenSSL will open it."""
        given = self._given()
        password = given if given is not None else self._typed(prompt, confirm=True)
        pkcs12.check_password(password)
        return password

    def _given(self) -> str | None:
        if self.file is not None:
            return files.read_text(self.file).split("\n", 1)[0].removesuffix("\r")
        return os.environ.get(self.variable)

    def _typed(self, prompt: str, *, confirm: bool) -> str:
        if not sys.stdin.isatty():
            raise CommandFailed(f"A password is needed. Give it with {self.option} FILE or in {self.variable}.")
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))


def existing(file: Path | None) -> PasswordSource:
    return PasswordSource(file, "--password-file", "CREDENZA_KEY_PASSWORD")


def new(file: Path | None) -> PasswordSource:
    return PasswordSource(file, "--new-password-file", "CREDENZA_NEW_PASSWORD")
