"""Settings from variables and a TOML file: what wins, what is refused, and in which words."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from credenza.setting_texts import Secret
from credenza.settings import Settings, Unusable, load, read


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREDENZA_MAX_SKEW_S", "CREDENZA_MAIL_FROM"):
        monkeypatch.delenv(name, raising=False)


def test_variables_win_over_the_file_and_the_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "credenza.toml"
    config.write_text('max_skew_s = 60\nmail_from = "desk@example.com"\n')
    monkeypatch.setenv("CREDENZA_MAX_SKEW_S", "90")

    found = load(config)

    assert (found.max_skew_s, found.mail_from, found.token_life_s) == (90, "desk@example.com", 900)


def test_every_default_is_a_setting_that_could_have_been_given() -> None:
    given = {name: getattr(Settings(), name) for name in Settings.__dataclass_fields__}

    assert read(given) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data_dir", "/var/lib/credenza", Path("/var/lib/credenza")),
        ("key_encryption_key_file", "", None),
        ("key_encryption_key_file", "/etc/key", Path("/etc/key")),
        ("decision_secret", "sesame", Secret("sesame")),
        ("allow_plain_http", "True", True),
        ("allow_plain_http", "0", False),
        ("body_limit_bytes", "0", 0),
        ("upstream_timeout_s", "2.5", 2.5),
        ("smtp_security", "tls", "tls"),
        ("trusted_proxies", '["10.0.0.0/8", "fd00::/8"]', (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))),
        ("commercial_countries", '["DEU"]', frozenset({"DEU"})),
        ("sandbox_bind", "unix:/run/credenza.sock", "unix:/run/credenza.sock"),
        ("sandbox_origin", "https://api.example.com/", "https://api.example.com"),
        ("sandbox_origin", "http://[::1]:8443", "http://[::1]:8443"),
        ("oidc_name", "Bücherei", "Bücherei"),
    ],
)
def test_a_text_becomes_a_value_of_the_setting_s_type(name: str, text: str, value: object) -> None:
    assert getattr(read({name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("max_skew_s", "0", "int >= 1"),
        ("max_skew_s", "3601", "int <= 3600"),
        ("max_skew_s", "1.5", "Expected int"),
        ("max_skew_s", True, "Expected int"),
        ("upstream_timeout_s", "0", "float > 0"),
        ("upstream_timeout_s", "nan", "float > 0"),
        ("upstream_timeout_s", "soon", "Expected float"),
        ("allow_plain_http", "perhaps", "Expected bool"),
        ("platform_name", "", "str of length >= 1"),
        ("platform_name", "x" * 61, "str of length <= 60"),
        ("platform_name", 7, "Expected str"),
        ("proxy_secret", "short", "str of length >= 16"),
        ("log_level", "info\n", "one of debug, info, warning, error"),
        ("mail_from", "desk@example.com\nBcc: all@example.com", "matching regex"),
        ("smtp_security", "none at all", "one of starttls, tls, none"),
        ("trusted_proxies", "10.0.0.0/8", "a list in JSON"),
        ("trusted_proxies", '{"10.0.0.0/8": 1}', "Expected array"),
        ("trusted_proxies", '["10.0.0.1/8"]', "host bits"),
        ("sandbox_bind", "8443", "host:port"),
        ("sandbox_bind", "localhost:99999", "host:port"),
        ("sandbox_origin", "api.example.com", "begins with http"),
        ("sandbox_origin", "https://api.example.com/v1", "scheme, host and port"),
        ("sandbox_origin", "https://api.example.com:https", "Port"),
        ("sandbox_origin", "https://api example.com", "begins with http"),
        ("oidc_issuer", "http://id.example.com", "https"),
        ("max_skew", "60", "no such setting"),
    ],
)
def test_what_is_wrong_is_named_with_the_reason(name: str, given: object, words: str) -> None:
    with pytest.raises(Unusable, match=f"^{name}: .*{words}"):
        read({name: given})


def test_all_that_is_wrong_is_named_at_once_and_no_secret_with_it() -> None:
    with pytest.raises(Unusable) as refused:
        read({"proxy_secret": "sesame", "max_skew_s": "0", "max_skew": 1})

    assert sorted(each.partition(":")[0] for each in str(refused.value).split("; ")) == [
        "max_skew",
        "max_skew_s",
        "proxy_secret",
    ]
    assert "sesame" not in str(refused.value)


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(Unusable, match="tls_certificate and tls_private_key belong together"):
        read({"tls_certificate": "/etc/chain.pem"})
    with pytest.raises(Unusable, match=r"sandbox_bind 0\.0\.0\.0:8443 can be reached from other machines"):
        read({"sandbox_bind": "0.0.0.0:8443"})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "credenza.toml").write_text("max_skew_s: 60\n")

    with pytest.raises(Unusable, match=r"credenza\.toml"):
        load(tmp_path / "credenza.toml")


def test_a_secret_shows_nowhere_but_where_it_is_asked_for() -> None:
    found = read({"decision_secret": "sesame"}).decision_secret

    assert found is not None
    assert found.get_secret_value() == "sesame"
    assert "sesame" not in f"{found!r} {found} {read({'decision_secret': 'sesame'})}"
