"""API credentials: made, edited, switched, deleted; two secrets at most; nobody else's are seen."""

import pytest
from tests.actions.api_catalog import ApiCatalog
from tests.actions.stage import Stage

from credenza.actions import api_credentials
from credenza.domain import secret_text


@pytest.fixture
def desk(stage: Stage) -> ApiCatalog:
    return ApiCatalog(stage)


def test_a_new_credential_shows_its_secret_once(desk: ApiCatalog) -> None:
    issued = desk.create()

    found = desk.get(issued)
    (secret,) = found.secrets
    assert issued.secret.startswith(secret.prefix)
    assert secret.prefix.startswith("czs_sbx_")
    assert secret_text.is_well_formed("czs_sbx_", issued.secret)
    assert issued.secret not in repr(issued)
    assert issued.secret not in str(desk.stage.dump())
    assert len(found.client_id) == 48


def test_a_credential_says_in_one_sentence_what_it_can_do(desk: ApiCatalog) -> None:
    issued = desk.create()

    assert str(issued.view.review) == "Can read profiles in Web-EU and Web-US."
