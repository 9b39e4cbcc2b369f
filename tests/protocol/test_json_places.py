"""JSON is proven to say one thing, and changed where it is asked for alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credenza.protocol import json_places
from credenza.protocol.errors import Malformed, Refused

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    # A lone surrogate is no character.
    | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner)
    ),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_what_a_writer_writes_is_json(value: object, indent: int | None, ensure_ascii: bool) -> None:
    json_places.check(json.dumps(value, indent=indent, ensure_ascii=ensure_ascii).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1,]",
        b"{}x",
        b"01",
        b"-",
        b"NaN",
        b"[Infinity]",
        b"'a'",
        b"{a:1}",
        b'"a\nb"',
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"1e400",
        b"[" * 60,
        b'{"a":"',
    ],
)
def test_what_is_no_json_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        json_places.check(text)


@pytest.mark.parametrize(
    "text",
    [b'{"a":1,"a":1}', b'{"a":1, "\\u0061":2}', b'[{"b":{"c":1,"d":2,"c":3}}]'],
    ids=["plain", "escaped", "deep"],
)
def test_a_member_that_comes_twice_is_refused(text: bytes) -> None:
    with pytest.raises(Refused) as caught:
        json_places.check(text)

    assert caught.value.reason == "duplicate"


@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")], ids=["lists", "objects", "both"])
def test_64_levels_are_taken_and_not_one_more(pair: tuple[bytes, bytes]) -> None:
    opening, closing = pair
    levels = 64 // len(opening.translate(None, b'"a:'))

    json_places.check(opening * levels + b"1" + closing * levels)
    for more in (levels + 1, 5000, 100_000):
        with pytest.raises(Refused) as caught:
            json_places.check(opening * more + b"1" + closing * more)
        assert caught.value.reason == "depth"


def test_brackets_inside_strings_are_no_levels() -> None:
    json_places.check(b'{"[[": "' + b'\\"[{' * 1000 + b'", "\\\\": [1]}')


def test_broken_strings_are_judged_in_linear_time() -> None:
    """A pattern that begins anew at every quotation mark would take hours."""
    with pytest.raises(Malformed):
        json_places.check(b"[" * 63 + b'"\\' * 1_000_000)


def test_an_oversized_text_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        json_places.check(b'"' + b"a" * json_places.LARGEST_BYTES + b'"')

    assert caught.value.reason == "size"


TEXT = b'{ "a" : {"b": 1.10, "c":[1,  {"d":null}]},"big":12345678901234567890123,"\\u00e9":"\\u00e9" }'


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), TEXT),
        (("a", "b"), b"1.10"),
        (("a", "c"), b'[1,  {"d":null}]'),
        (("big",), b"12345678901234567890123"),
        (("é",), b'"\\u00e9"'),
        (("a", "x"), None),
        (("a", "b", "x"), None),
        (("a", "c", "d"), None),
        (("x", "y"), None),
    ],
)
def test_an_element_is_found_as_it_was_written(steps: tuple[str, ...], expected: bytes | None) -> None:
    assert expected == json_places.find(TEXT, steps)


def test_what_is_not_changed_stays_as_it_was_written() -> None:
    changed = json_places.change(TEXT, ("a", "b"), lambda present: b"[" + (present or b"") + b"]")

    assert changed == '{"a":{"b":[1.10],"c":[1,  {"d":null}]},"big":12345678901234567890123,"é":"\\u00e9"}'.encode()


def test_objects_on_the_way_are_made_and_none_for_nothing() -> None:
    assert json_places.change(b"{}", ("a", "b"), lambda _: b"1") == b'{"a":{"b":1}}'
    assert json_places.change(b"{}", ("a", "b"), lambda _: None) == b"{}"
    assert json_places.change(b'{"a":{"b":1}}', ("a", "b"), lambda _: None) == b'{"a":{}}'
    assert json_places.change(b'{"a":1}', (), lambda _: None) == b"{}"


@pytest.mark.parametrize("text", [b'{"a":1}', b'{"a":[]}', b'{"a":null}', b"[]"])
def test_nothing_is_put_into_what_is_no_object(text: bytes) -> None:
    with pytest.raises(Refused) as caught:
        json_places.change(text, ("a", "b"), lambda _: b"1")

    assert caught.value.reason == "place"
