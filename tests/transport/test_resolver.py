"""Asking DNS: against a small name server on 127.0.0.1, and with addresses from the system."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from offhook.errors import LocalError
from offhook.sip.location import Target, parse_server
from offhook.testing.record import Record
from offhook.transport import resolver
from offhook.transport.resolver import Resolver

ZONE = """
example.org. NAPTR 10 20 "s" "SIPS+D2T" "" _sips._tcp.example.org.
example.org. NAPTR 10 10 "S" "SIP+D2T" "" _sip._tcp.example.org.
_sip._tcp.example.org. SRV 10 0 5060 backup.example.org.
_sip._tcp.example.org. SRV 0 5 5070 first.example.org.
_sips._tcp.example.org. SRV 0 0 5061 first.example.org.
_sip._udp.nothing.example.org. SRV 0 0 0 .
"""


class NameServer(asyncio.DatagramProtocol):
    """Answers out of `ZONE`; to names with `broken` in them by SERVFAIL, to those with `silent` not at all."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.asked: Record[tuple[str, str]] = Record()
        self._zone: dict[tuple[str, str], list[str]] = {}
        for line in ZONE.strip().splitlines():
            name, kind, data = line.split(" ", 2)
            self._zone.setdefault((name, kind), []).append(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((kind, name))
        if "silent" in name:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        found = self._zone.get((name, kind))
        if "broken" in name:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *found))
        elif not any(known == name for known, _ in self._zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    server.transport = transport
    yield server
    transport.close()
    await asyncio.sleep(0)  # the loop closes the socket in its next turn


@pytest.fixture
def asking(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """A resolver that asks that server; hosts of example.org have addresses."""
    monkeypatch.setattr(resolver, "addresses", addresses)
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = ["127.0.0.1"]
    made.port = server.transport.get_extra_info("sockname")[1]
    made.cache = dns.resolver.LRUCache(10)
    return Resolver(made, fraction=lambda: 0.0)


async def addresses(host: str) -> list[str]:
    known = {"first.example.org": ["192.0.2.1", "2001:db8::1"], "host.broken.org": ["192.0.2.3"]}
    if host not in known:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return known[host]


async def test_from_a_domain_to_targets(asking: Resolver, server: NameServer) -> None:
    assert await asking.locate(parse_server("sip:example.org")) == (
        Target("TCP", "192.0.2.1", 5070, "example.org"),
        Target("TCP", "2001:db8::1", 5070, "example.org"),
        Target("TLS", "192.0.2.1", 5061, "example.org"),
        Target("TLS", "2001:db8::1", 5061, "example.org"),
    )
    assert server.asked[0] == ("NAPTR", "example.org.")
    assert sorted(server.asked[1:]) == [("SRV", "_sip._tcp.example.org."), ("SRV", "_sips._tcp.example.org.")]


async def test_answers_are_kept(asking: Resolver, server: NameServer) -> None:
    await asking.locate(parse_server("tcp:example.org"))
    await asking.locate(parse_server("tcp:example.org"))
    assert server.asked == [("SRV", "_sip._tcp.example.org.")]


async def test_a_broken_name_server_is_as_good_as_no_records(asking: Resolver) -> None:
    [target] = await asking.locate(parse_server("sip:host.broken.org"))
    assert target.url == "udp:192.0.2.3:5060"


@pytest.mark.parametrize("url", ["sip:nowhere.example.com", "udp:nothing.example.org", f"udp:{'x' * 70}.org"])
async def test_nothing_is_an_error_with_a_remedy(asking: Resolver, url: str) -> None:
    with pytest.raises(LocalError, match=r"no SIP server for .*Check the domain"):
        await asking.locate(parse_server(url))


async def test_silence_is_no_answer(asking: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "QUESTION_TIMEOUT", 0.05)

    async def never(host: str) -> list[str]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    monkeypatch.setattr(resolver, "addresses", never)
    with pytest.raises(LocalError):
        await asking.locate(parse_server("udp:silent.example.org"))


async def test_giving_up_leaves_nothing_behind(asking: Resolver, server: NameServer) -> None:
    task = asyncio.create_task(asking.locate(parse_server("sip:silent.example.org")))
    await server.asked.reach(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_system_gives_addresses() -> None:
    assert await resolver.addresses("127.0.0.1") == ["127.0.0.1"]
    assert "127.0.0.1" in await resolver.addresses("localhost")


async def test_without_name_servers_a_host_is_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.asyncresolver, "Resolver", nothing)
    targets = await Resolver().locate(parse_server("tcp:localhost"))
    assert "tcp:127.0.0.1:5060" in [target.url for target in targets]


async def test_the_configuration_of_the_system_is_read_once(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = ["127.0.0.1"]
    made.port = server.transport.get_extra_info("sockname")[1]
    monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda: made)
    monkeypatch.setattr(resolver, "addresses", addresses)
    asking = Resolver()
    for _ in range(2):
        [first, _] = await asking.locate(parse_server("tls:example.org"))
        assert first.url == "tls:192.0.2.1:5061;name=example.org"
    assert len(server.asked) == 1
