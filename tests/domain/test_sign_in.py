"""From which network a guess comes."""

import pytest

from credenza.domain.sign_in import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix socket", "unix socket"),
        ("x" * 99, "x" * 64),
    ],
)
def test_an_ipv4_address_is_a_network_and_an_ipv6_site_is_one(address: str, network: str) -> None:
    assert network_of(address) == network
