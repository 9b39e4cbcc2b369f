"""Single sign-on as an operator sets it up: what is refused at the start, and with which cure."""

import subprocess
import sys
from pathlib import Path

import pytest

from credenza.adapters.openid import OpenIdProvider
from credenza.cli.single_sign_on import open_provider
from credenza.settings import Settings, Unusable, read

WHOLE = {
    "oidc_issuer": "https://id.example.com/realms/staff",
    "oidc_client_id": "credenza",
    "oidc_client_secret": "hidden",
    "oidc_name": "Example ID",
    "oidc_allowed_domains": ["Example.ORG"],
}


def settings(**changed: object) -> Settings:
    return read(WHOLE | changed)


def test_a_provider_is_opened_as_it_is_set_up() -> None:
    provider = open_provider(settings())

    assert isinstance(provider, OpenIdProvider)
    assert (provider.issuer, provider.name) == ("https://id.example.com/realms/staff", "Example ID")
    assert provider.allowed_domains == {"example.org"}
    provider.close()


def test_without_an_issuer_there_is_none() -> None:
    assert open_provider(Settings()) is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"oidc_issuer": "http://id.example.com"}, "https"),
        ({"oidc_issuer": "http://10.0.0.8:8080"}, "https"),
        ({"oidc_issuer": "ftp://id.example.com"}, "oidc_issuer"),
        ({"oidc_issuer": "https://id.example.com?x=1"}, "neither query nor fragment"),
        ({"oidc_issuer": "id.example.com"}, "oidc_issuer"),
        ({"oidc_client_id": ""}, "register this installation"),
        ({"oidc_allowed_domains": []}, "nobody could sign in"),
    ],
)
def test_half_a_provider_is_refused(changed: dict[str, object], words: str) -> None:
    with pytest.raises(Unusable, match=words):
        settings(**changed)


@pytest.mark.parametrize("issuer", ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080/realms/x"])
def test_an_issuer_on_this_machine_may_do_without_tls(issuer: str) -> None:
    assert settings(oidc_issuer=issuer).oidc_issuer == issuer


def test_the_client_secret_is_never_shown() -> None:
    assert "hidden" not in repr(settings())


def test_a_missing_extra_is_told_with_the_command_that_installs_it(tmp_path: Path) -> None:
    """In a process of its own, where authlib cannot be imported."""
    script = tmp_path / "serve.py"
    script.write_text(
        "import sys\n"
        "sys.modules['authlib'] = None\n"
        "from credenza.cli.ending import ending\n"
        "from credenza.cli.roles import Role\n"
        "from credenza.cli.start import start\n"
        "sys.exit(ending(lambda: start(Role.ALL, 1, say=print)))\n"
    )
    environment = {
        "CREDENZA_DATA_DIR": str(tmp_path / "data"),
        "CREDENZA_OIDC_ISSUER": "https://id.example.com",
        "CREDENZA_OIDC_CLIENT_ID": "credenza",
        "CREDENZA_OIDC_ALLOWED_DOMAINS": '["example.org"]',
    }
    run = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=240, check=False
    )

    assert run.returncode == 1
    assert "pip install 'credenza[sso]'" in run.stderr
    assert "Traceback" not in run.stderr
