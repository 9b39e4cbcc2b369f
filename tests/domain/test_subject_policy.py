"""What an operator may ask of a certificate's subject: contracts 4 and 33."""

import pytest

from credenza.domain import subject_policy
from credenza.domain.model import EnvironmentName
from credenza.domain.subject_policy import Owner

OWNER = Owner(EnvironmentName.SANDBOX, "Acme GmbH", "000000", "Payments API")
ORIGINAL = subject_policy.parse("CN=<unique>-Client-<ENV>-<CID>, O=<company>, OU=<project>")
FITTING = [("O", "Acme GmbH"), ("OU", "Payments API"), ("CN", "1682563200-Client-MTF-000000")]


def with_value(name: str, value: str) -> list[tuple[str, str]]:
    return [(each, value if each == name else old) for each, old in FITTING]


def test_the_subject_that_the_original_asks_for_has_no_fault() -> None:
    assert subject_policy.faults(ORIGINAL, FITTING, OWNER) == ()


@pytest.mark.parametrize(
    ("subject", "attribute", "cure"),
    [
        pytest.param(
            with_value("CN", "billing"), "CN is 'billing'", "CN=1682566800-Client-MTF-000000", id="another CN"
        ),
        pytest.param(with_value("CN", "-Client-MTF-000000"), "CN is", "1682566800", id="nothing unique in it"),
        pytest.param(with_value("CN", "1-client-MTF-000000"), "CN is", "Client", id="the literal `Client`"),
        pytest.param(with_value("CN", "1-Client-PROD-000000"), "CN is", "MTF", id="`MTF` for sandbox"),
        pytest.param(with_value("O", "Acme"), "O is 'Acme'", "O=Acme GmbH", id="O = company"),
        pytest.param(with_value("OU", "Billing"), "OU is 'Billing'", "OU=Payments API", id="OU = project"),
        pytest.param(FITTING[1:], "O is missing", "O=Acme GmbH", id="no O"),
    ],
)
def test_a_fault_names_the_attribute_and_the_cure(subject: list[tuple[str, str]], attribute: str, cure: str) -> None:
    (fault,) = subject_policy.faults(ORIGINAL, subject, OWNER)

    assert attribute in fault
    assert cure in fault


def test_every_fault_is_named_at_once() -> None:
    assert len(subject_policy.faults(ORIGINAL, [], OWNER)) == 3


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("x" * 65, "65 characters", id="CN has at most 64 characters"),
        pytest.param("https://example.com", "must not be a URL", id="CN is no URL"),
        pytest.param("www.example.com", "must not be a URL", id="nor an address"),
    ],
)
def test_with_any_policy_the_cn_is_short_and_no_url(value: str, words: str) -> None:
    policy = subject_policy.parse("O=<company>")

    (fault,) = subject_policy.faults(policy, with_value("CN", value), OWNER)

    assert words in fault


def test_one_of_several_units_is_enough() -> None:
    subject = [*FITTING, ("OU", "Team 7")]

    assert subject_policy.faults(ORIGINAL, subject, OWNER) == ()


def test_production_has_a_code_of_its_own() -> None:
    owner = Owner(EnvironmentName.PRODUCTION, "Acme GmbH", "000000", "Payments API")

    assert subject_policy.faults(ORIGINAL, with_value("CN", "1-Client-PROD-000000"), owner) == ()


def test_a_long_company_is_cut_as_the_attribute_is() -> None:
    owner = Owner(EnvironmentName.SANDBOX, "A" * 90, "000000", "Payments API")

    assert subject_policy.faults(ORIGINAL, with_value("O", "A" * 64), owner) == ()


def test_names_that_look_like_patterns_stand_for_themselves() -> None:
    owner = Owner(EnvironmentName.SANDBOX, "Acme.*", "000000", "<unique>")
    subject = [("O", "Acme GmbH"), ("OU", "anything"), ("CN", "1682563200-Client-MTF-000000")]

    assert len(subject_policy.faults(ORIGINAL, subject, owner)) == 2


@pytest.mark.parametrize(
    "text",
    ["CN", "CN=", "DC=example", "CN=<epoch>", "CN=<unique><unique>", "CN=a, CN=b", "CN=a,", "<company>"],
)
def test_a_policy_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        subject_policy.parse(text)
