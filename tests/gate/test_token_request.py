"""How a form is read: each parameter once, its escapes undone, whether it comes for the first time or the tenth."""

from urllib.parse import parse_qsl, urlencode

import pytest

from credenza.gate import token_request
from credenza.gate.token_faults import Denied, Fault

_FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "form",
    [
        "grant_type=client_credentials&scope=orders%3Aread+orders%3Awrite",
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
        "scope=" + "a%3Ab+" * 100,
        "sc%6Fpe=x&client_secret=a%2Bb+c%3D&d=e=f",
        "scope=a=b%3Dc",
        urlencode({"scope": "größe", "client_id": "ä b&c"}),
    ],
)
def test_escapes_are_undone_whenever_a_form_comes(form: str) -> None:
    read = [token_request.parse(_FORM, "", form.encode()) for _ in range(3)]

    assert [dict(parse_qsl(form))] * 3 == read


def test_a_parameter_without_a_value_is_as_one_that_was_not_sent() -> None:
    assert token_request.parse(_FORM, "", b"&a=b&&scope=&scope2&") == {"a": "b"}


@pytest.mark.parametrize("form", [b"a=1&a=1", b"a=1&%61=2", b"scope=x%3Ay&scope=x%3Ay", b"a&a", b"a=%FF", b"scope=%FF"])
def test_a_form_that_can_be_read_in_two_ways_or_none_is_refused(form: bytes) -> None:
    for _ in range(2):
        with pytest.raises(Denied) as refused:
            token_request.parse(_FORM, "", form)

        assert refused.value.fault is Fault.REQUEST
