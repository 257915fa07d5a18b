"""Where a connection comes from: behind a proxy, and as the key under which it is counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

MAX_HOPS = 20


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Who is counted: the peer, or, behind a trusted proxy, the last address in its X-Forwarded-For that is none.

    What stands further left was written by the client itself, and proves nothing.
    """
    found = _key(peer)
    if not _among(found, proxies):
        return found
    for hop in forwarded.split(",")[-MAX_HOPS:][::-1]:
        named = _key(hop.strip())
        if not named:
            return found
        found = named
        if not _among(found, proxies):
            break
    return found


def _key(text: str) -> str:
    """An address in one spelling; of IPv6 the network of 64 bits, which one household has. Empty: it is none."""
    try:
        address = ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return str(ip_network((int(address), 64), strict=False).network_address)
    return str(address)


def _among(address: str, networks: Sequence[Network]) -> bool:
    return bool(address) and any(ip_address(address) in network for network in networks)
