"""How the pages of certificates and devices look: axe finds nothing in either theme, nothing is cut off, and a picture
is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Page
from tests.actions.stage import client_request
from tests.clock import Clock
from tests.portal.conftest import Check
from tests.portal.house import House
from tests.portal.shop import SANDBOX, Shop

from credenza.actions import enrolment, enrolment_secrets, tls_client_names
from credenza.actions.enrolment_secrets import IssuedSecret
from credenza.domain.model import ProjectType
from credenza.protocol.tls_client_name import NameKind
from credenza.store import migrate
from credenza.store.engine import open_database

PAGES = {
    "certificates": "/sandbox/certificates",
    "devices": "/sandbox/devices",
    "tls-client-name": "/sandbox/tls-name",
}


def furnish(shop: Shop) -> None:
    """A certificate, an enrolment secret in every state, and a registered name."""
    house, place = shop.house, (shop.house.platform, shop.actor, shop.project.id)
    shop.certify("till 6")
    used, revoked = make(shop, "till 7"), make(shop, "till 8, the one beside the door of the branch in Hintertupfing")
    make(shop, "till 9", hours=1)
    make(shop, "till 10")
    request = x509.load_pem_x509_csr(client_request(7)).public_bytes(Encoding.DER)
    enrolment.enrol(house.platform, SANDBOX, used.secret, request, address="192.0.2.9", now=house.clock.now())
    enrolment_secrets.revoke(*place, revoked.enrolment.id, now=house.clock.now())
    name = (NameKind.SUBJECT_DN, "CN=till 7,OU=Tills of the branch in Hintertupfing,O=Acme,C=DE")
    tls_client_names.register(*place, SANDBOX, *name, now=house.clock.now())
    house.clock.advance(timedelta(hours=2))


def make(shop: Shop, alias: str, *, hours: int = 24) -> IssuedSecret:
    place, now = (shop.house.platform, shop.actor, shop.project.id), shop.house.clock.now()
    return enrolment_secrets.create(*place, alias=alias, environment=SANDBOX, hours=hours, now=now)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('tills')}/credenza.db")
    migrate.upgrade(database)
    shop = Shop(House(database, Clock()), ProjectType.OAUTH2_FAPI)
    furnish(shop)
    with shop.house.served():
        yield shop
    database.close()


@pytest.fixture
def open_page(shop: Shop, kept_page: Page) -> Callable[[str], Page]:
    shop.house.sign_in(kept_page.context, shop.ada)

    def go(name: str) -> Page:
        kept_page.goto(shop.house.url + shop.path(PAGES[name]), wait_until="load")
        return kept_page

    return go


@pytest.fixture
def make_secret(open_page: Callable[[str], Page]) -> Callable[[], Page]:
    """The page that shows a secret, which is there once."""

    def made() -> Page:
        page = open_page("devices")
        page.get_by_label("A name to know the device's certificate by").fill("till 11")
        page.get_by_role("button", name="Make a secret").click()
        page.get_by_text("simplereenroll").first.wait_for()
        return page

    return made


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_finding_and_a_picture(name: str, open_page: Callable[[str], Page], check_looks: Check) -> None:
    check_looks(open_page(name), name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_narrow_screen(name: str, open_page: Callable[[str], Page], check_narrow: Check) -> None:
    check_narrow(open_page(name), name)


def test_the_page_of_a_new_secret_has_no_finding_and_a_picture(
    make_secret: Callable[[], Page], check_looks: Check
) -> None:
    check_looks(make_secret(), "device-secret")


def test_the_page_of_a_new_secret_fits_a_narrow_screen(make_secret: Callable[[], Page], check_narrow: Check) -> None:
    check_narrow(make_secret(), "device-secret")
