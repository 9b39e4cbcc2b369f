"""An upstream checks who calls with the very lines that the guide gives it, against a platform that serves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.journeys.oauth2_street import ROOT, Partner, Street, open_street

GUIDE = (ROOT / "docs" / "guide" / "identity.md").read_text()
JOSERFC, PYJWT = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)

Caller = Callable[[str, str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with open_street(tmp_path_factory.mktemp("street"), identity_life_s=60) as street:
        yield street


@pytest.fixture(scope="module")
def partner(street: Street) -> Partner:
    return street.partner(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(params=[JOSERFC, PYJWT], ids=["joserfc", "PyJWT"])
def caller(request: pytest.FixtureRequest, street: Street, monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setenv("SSL_CERT_FILE", str(street.authority))
    block = request.param.replace("https://api.example.com", street.server.origin)
    named: dict[str, Any] = {}
    exec(block.replace("service:7", f"service:{street.parcels.id}"), named)
    written: Caller = named["caller"]
    return written


def identity(street: Street, partner: Partner, method: str = "GET") -> str:
    with street.sdk(partner) as http:
        received = dict(http.request(method, street.parcel).json()["headers"])
    return str(received["x-credenza-identity"])


def test_the_lines_of_the_guide_tell_who_calls(street: Street, partner: Partner, caller: Caller) -> None:
    told = caller(identity(street, partner), "GET", "/parcels/7")

    assert (told["client_id"], told["key_id"]) == (partner.client_id, partner.key_id)
    assert told["project_id"] == partner.project.id


@pytest.mark.parametrize("other", [("DELETE", "/parcels/7"), ("GET", "/parcels/8")], ids=["method", "path"])
def test_the_lines_of_the_guide_refuse_the_identity_of_another_call(
    street: Street, partner: Partner, caller: Caller, other: tuple[str, str]
) -> None:
    with pytest.raises(ValueError, match="another call"):
        caller(identity(street, partner), *other)


def test_the_lines_of_the_guide_refuse_an_access_token(street: Street, partner: Partner, caller: Caller) -> None:
    with street.client() as http:
        token = street.auth(partner).get_token(http).access_token

    with pytest.raises(Exception, match=r"(?i)aud"):
        caller(token, "GET", "/parcels/7")


def test_an_identity_opens_nothing(street: Street, partner: Partner) -> None:
    held = identity(street, partner)
    with street.client() as http:
        answers = [
            http.get(street.parcel, headers={"Authorization": f"{scheme} {held}"}) for scheme in ("DPoP", "Bearer")
        ]

    assert [each.status_code for each in answers] == [401, 401]
