"""Where a connection comes from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from offhook.gateway.addresses import client_address

PROXIES = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # no proxy of ours: it can say what it likes
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # what the client wrote stands further left
        ("127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "rubbish", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::1", "", "::1"),
        ("fe80::1%eth0", "", "fe80::"),
        ("", "1.2.3.4", ""),
        ("127.0.0.1", ",".join(["10.0.0.1"] * 10_000), "10.0.0.1"),
    ],
)
def test_addresses(peer: str, forwarded: str, address: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == address
