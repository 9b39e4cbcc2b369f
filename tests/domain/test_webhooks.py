"""Addresses that a webhook may lead to."""

from ipaddress import ip_address, ip_network

import pytest

from credenza.domain.webhooks import is_reachable

OTHERS = """
    0.0.0.0 10.255.255.255 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1
    192.88.99.1 192.168.255.255 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
    255.255.255.255 :: ::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:10::1
    2001:20::1 2001:db8::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd12::1 fe80::1 fe80::1%eth0 fec0::1
    ff02::1
"""
PUBLIC = """
    1.1.1.1 8.8.8.8 93.184.215.14 172.15.255.255 172.32.0.1 223.255.255.255 2606:4700::1111
    2a00:1450:4001::200e 2003::1
"""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_is_reached(address: str) -> None:
    assert is_reachable(ip_address(address), ())


@pytest.mark.parametrize("address", OTHERS.split())
def test_any_other_address_is_not(address: str) -> None:
    assert not is_reachable(ip_address(address), ())


def test_an_operator_s_networks_are_reached_and_their_neighbours_are_not() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/64"))

    assert is_reachable(ip_address("10.1.2.3"), allowed)
    assert is_reachable(ip_address("fd00::7"), allowed)
    assert not is_reachable(ip_address("10.2.0.1"), allowed)
    assert not is_reachable(ip_address("fd00:0:0:1::7"), allowed)
