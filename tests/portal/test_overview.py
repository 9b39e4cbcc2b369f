"""The overview: what to do now, what goes on, and the first steps of those who have nothing yet."""

from datetime import timedelta

from tests.portal.house import REFUSAL_ID, House

from credenza.domain.model import OrganizationRole


def test_who_has_nothing_yet_is_taught_the_first_steps(house: House) -> None:
    page = house.visit(house.found()).get(house.path("/overview"))

    assert page.status_code == 200
    assert "Three steps to the first signed call" in page.text
    assert "credenza project create" in page.text
    assert "No call was counted in the last day." in page.text
    assert "Act now" not in page.text


def test_keys_that_end_soon_and_refused_calls_are_to_be_acted_on(furnished: House) -> None:
    page = furnished.visit(furnished.person("Ada")).get(furnished.path("/overview"))

    assert f'/keys/{furnished.keys["checkout-2025"]}">Finish' in page.text
    assert f'/refusals/{REFUSAL_ID}"' in page.text
    assert "wrong signature" in page.text


def test_a_successor_that_nobody_uses_is_to_be_finished(furnished: House) -> None:
    admin = furnished.person("Ada")
    soon = furnished.visit(admin).get(furnished.path("/overview"))
    furnished.clock.advance(timedelta(hours=1))

    later = furnished.visit(admin).get(furnished.path("/overview"))

    assert "never used" in soon.text
    assert f'/keys/{furnished.keys["checkout-2026"]}"' in later.text


def test_members_see_their_own_projects_alone(furnished: House) -> None:
    page = furnished.visit(furnished.join("Nobody", OrganizationRole.USER)).get(furnished.path("/overview"))

    assert "checkout-2025" not in page.text
    assert "wrong signature" not in page.text
    assert "calls a minute" in page.text


def test_a_stranger_is_told_of_no_organization(furnished: House) -> None:
    place = furnished.path("/overview")
    stranger = furnished.found("Another")

    assert furnished.visit(stranger).get(place).status_code == 404


def test_a_refused_call_is_explained_step_by_step(furnished: House) -> None:
    page = furnished.visit(furnished.person("Ada")).get(f"/refusals/{REFUSAL_ID}")

    assert "Refused: wrong signature" in page.text
    assert page.text.count("fits</span>") == 4
    assert page.text.count("not asked for</span>") == 1
    assert "a signature that begins Zm9vYmFy" in page.text
    assert "GET&amp;https%3A%2F%2Fsandbox.example.com" in page.text


def test_an_explanation_is_for_those_who_see_the_project(furnished: House) -> None:

    assert (
        furnished.visit(furnished.join("Nobody", OrganizationRole.USER)).get(f"/refusals/{REFUSAL_ID}").status_code
        == 404
    )


def test_charts_have_their_numbers_in_a_table(furnished: House) -> None:
    page = furnished.visit(furnished.person("Ada")).get(furnished.path("/overview")).text

    assert page.count("<svg class=") == page.count('<details class="below">') == 2
    assert page.count("<title id=") == page.count("<desc id=") == 2
