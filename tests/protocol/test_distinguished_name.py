"""Names: what is taken over from a request, and when two of them are the same (RFC 5280 7.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol import forge

from credenza.protocol import der, distinguished_name
from credenza.protocol.errors import Malformed, Refused


def parse(encoded: bytes) -> distinguished_name.DistinguishedName:
    return distinguished_name.parse(der.parse(encoded, field="subject"))


def canonical(*rdns: tuple[forge.TypeAndValue, ...]) -> str:
    return distinguished_name.canonical(parse(forge.name(*rdns)))


def cn(value: str, tag: int = forge.UTF8_STRING, encoding: str = "utf-8") -> tuple[forge.TypeAndValue, ...]:
    return ((forge.COMMON_NAME, tag, value.encode(encoding)),)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(cn("ACME  Billing"), id="case and inner white space"),
        pytest.param(cn("  acme billing\t"), id="outer white space"),
        pytest.param(cn("acme\u00a0billing"), id="another kind of space"),
        pytest.param(cn("Acme Billing", forge.PRINTABLE_STRING, "ascii"), id="PrintableString"),
        pytest.param(cn("Acme Billing", forge.BMP_STRING, "utf-16-be"), id="BMPString"),
        pytest.param(cn("Acme Billing", 0x1C, "utf-32-be"), id="UniversalString"),
        pytest.param(cn("Acme Billing", forge.TELETEX_STRING, "latin-1"), id="TeletexString"),
        pytest.param(cn("Ａｃｍｅ Billing"), id="compatibility characters"),
        pytest.param(cn("Ac\u00adme Bil\u200bling"), id="invisible characters"),
    ],
)
def test_names_that_differ_in_spelling_only_are_the_same(other: tuple[forge.TypeAndValue, ...]) -> None:
    assert canonical(cn("Acme Billing")) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((cn("acme"),), (cn("acmé"),), id="an accent"),
        pytest.param((cn("a"), cn("b")), (cn("b"), cn("a")), id="the order of RDNs"),
        pytest.param((cn("a,2.5.4.3=b"),), (cn("a"), cn("b")), id="a comma inside a value"),
        pytest.param((cn("a+2.5.4.3=b"),), ((*cn("a"), *cn("b")),), id="a plus inside a value"),
        pytest.param((cn("a\\"),), (cn("a"),), id="a backslash"),
        pytest.param((cn("acme"),), (((forge.ORGANIZATION, forge.UTF8_STRING, b"acme"),),), id="the type"),
        pytest.param((cn("a b"),), (cn("ab"),), id="a space"),
    ],
)
def test_names_that_differ_in_meaning_are_not_the_same(one, other) -> None:
    assert canonical(*one) != canonical(*other)


def test_the_order_inside_a_multi_valued_rdn_does_not_count() -> None:
    unit = (forge.UNIT, forge.UTF8_STRING, b"billing")

    assert canonical((*cn("acme"), unit)) == canonical((unit, *cn("acme")))


def test_case_and_accents_fold_together_however_they_are_composed() -> None:
    assert canonical(cn("STRASSE É")) == canonical(cn("straße e\u0301"))


@given(st.text(max_size=40))
def test_a_canonical_value_is_its_own_canonical_value(value: str) -> None:
    if any("\ud800" <= character <= "\udfff" or character in "\\,+=" for character in value):
        return
    once = canonical(cn(value)).removeprefix("2.5.4.3=")
    if any(character in "\\,+=" for character in once):
        return

    assert canonical(cn(once)) == f"2.5.4.3={once}"


def test_a_value_that_is_no_string_still_counts() -> None:
    number = ((forge.COMMON_NAME, der.INTEGER, b"\5"),)

    assert canonical(number) == "2.5.4.3=#020105"


@pytest.mark.parametrize("value", [(forge.UTF8_STRING, b"\xff"), (forge.BMP_STRING, b"abc"), (0x16, b"\xe9")])
def test_a_value_that_is_not_of_its_type_is_malformed(value: tuple[int, bytes]) -> None:
    with pytest.raises(Malformed) as caught:
        parse(forge.name(((forge.COMMON_NAME, *value),)))

    assert caught.value.field == "subject"


def test_a_name_reads_in_the_order_it_was_written() -> None:
    written = parse(forge.name(((forge.COUNTRY, 0x13, b"DE"),), cn("billing"), ((forge.LOCALITY, 0x0C, b"Kiel"),)))

    assert distinguished_name.describe(written) == "C=DE, CN=billing, 2.5.4.7=Kiel"


def test_only_allow_listed_attributes_are_taken_over_in_order() -> None:
    requested = forge.name(
        ((forge.LOCALITY, forge.BMP_STRING, "Kiel".encode("utf-16-be")),),
        cn("billing"),
        ((forge.ORGANIZATION, forge.UTF8_STRING, "Acmé".encode()), (forge.UNIT, forge.UTF8_STRING, b"A")),
        ((forge.COUNTRY, forge.PRINTABLE_STRING, b"DE"),),
        ((forge.SERIAL_NUMBER, forge.UTF8_STRING, b"HRB 17"),),
        ((forge.UNIT, forge.UTF8_STRING, b"B"),),
    )

    subject = distinguished_name.allowed_subject(parse(requested))

    assert subject == (
        ("CN", "billing"),
        ("O", "Acmé"),
        ("OU", "A"),
        ("C", "DE"),
        ("serialNumber", "HRB 17"),
        ("OU", "B"),
    )


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        pytest.param((), "no common name", id="empty subject"),
        pytest.param((("O", "Acme"),), "no common name", id="no CN"),
        pytest.param((("CN", "a"), ("CN", "b")), "CN 2 times", id="two CNs"),
        pytest.param((("CN", "a"), *(("OU", "x"),) * 9), "OU 9 times", id="nine OUs"),
        pytest.param((("CN", ""),), "CN is empty", id="empty CN"),
        pytest.param((("CN", " \u3000 "),), "CN is empty", id="blank CN"),
        pytest.param((("CN", "x" * 65),), "65 characters", id="CN of 65 characters"),
        pytest.param((("CN", "a\0b"),), "control character", id="NUL in CN"),
        pytest.param((("CN", "a\nb"),), "control character", id="newline in CN"),
        pytest.param((("CN", "a\u202eb"),), "nobody can see", id="right-to-left override"),
        pytest.param((("CN", "a"), ("C", "DEU")), "country code", id="C of three letters"),
        pytest.param((("CN", "a"), ("C", "de")), "country code", id="C in lower case"),
        pytest.param((("CN", "a"), ("C", "ÄÖ")), "country code", id="C outside ASCII"),
        pytest.param((("CN", "a"), ("C", "12")), "country code", id="C of digits"),
        pytest.param((("CN", "a"), ("serialNumber", "a@b")), "serialNumber", id="serialNumber not printable"),
    ],
)
def test_a_subject_outside_the_rules_is_refused(subject: distinguished_name.Subject, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        distinguished_name.check_subject(subject)

    assert caught.value.reason == "subject"


def test_a_value_of_64_characters_is_not_too_long() -> None:
    distinguished_name.check_subject((("CN", "ü" * 64), ("O", "x" * 64)))


@pytest.mark.parametrize("tag", [forge.BMP_STRING, forge.TELETEX_STRING, 0x1C])
def test_old_string_types_are_refused(tag: int) -> None:
    encoding = {forge.BMP_STRING: "utf-16-be", 0x1C: "utf-32-be"}.get(tag, "latin-1")

    with pytest.raises(Refused, match="UTF8String"):
        distinguished_name.allowed_subject(
            parse(forge.common_name("аcme" if encoding[0] == "u" else "a", tag, encoding))
        )


def test_a_subject_survives_the_way_through_a_library_name() -> None:
    subject = (("C", "DE"), ("O", "Acmé"), ("OU", "x"), ("CN", "billing"), ("serialNumber", "17"))

    name = distinguished_name.of_name(distinguished_name.to_name(subject))

    assert distinguished_name.allowed_subject(name) == subject
    assert distinguished_name.canonical(name).endswith("2.5.4.3=billing,2.5.4.5=17")
