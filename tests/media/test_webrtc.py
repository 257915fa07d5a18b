from __future__ import annotations

import asyncio
import importlib
import inspect
import random
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import aioice.ice
import pytest

from offhook.errors import MediaError
from offhook.media import webrtc
from offhook.media.negotiation import RemoteEnd
from offhook.media.rtp import pack_rtp
from offhook.media.sdp import Candidate, Fingerprint
from offhook.media.webrtc import PRIVATE_NAMES, Certificate, SecureTransport
from offhook.testing.record import Record


@dataclass
class End:
    """A transport and what it told."""

    transport: SecureTransport = field(init=False)
    packets: Record[bytes] = field(default_factory=Record)
    reasons: Record[str] = field(default_factory=Record)

    def make(self, controlling: bool, **arguments: Any) -> None:
        self.transport = SecureTransport(
            controlling=controlling,
            deliver=lambda data, arrival: self.packets.append(data),
            lost=self.reasons.append,
            address="127.0.0.1",
            **arguments,
        )

    @property
    def described(self) -> RemoteEnd:
        """As the far side reads it."""
        transport = self.transport
        return RemoteEnd(
            ufrag=transport.ufrag,
            password=transport.password,
            fingerprints=(Fingerprint("sha-256", transport.fingerprint),),
            candidates=transport.candidates,
        )


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    one, two = End(), End()
    one.make(True)
    two.make(False)
    before = asyncio.all_tasks()
    await one.transport.gather()
    await two.transport.gather()
    yield one, two
    await one.transport.close()
    await two.transport.close()
    assert asyncio.all_tasks() - before == {asyncio.current_task()} - before


async def _connect(one: End, two: End) -> None:
    await asyncio.gather(one.transport.connect(two.described, "server"), two.transport.connect(one.described, "client"))


def _calls(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> Record[str]:
    """Each call of that method from now on, after it is done."""
    calls: Record[str] = Record()
    method = getattr(owner, name)

    def called(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        finally:
            calls.append(name)

    monkeypatch.setattr(owner, name, called)
    return calls


def test_the_private_names_that_we_need_are_there() -> None:
    """The contract with aiortc and aioice: if this fails after an update, look at every use in webrtc.py."""
    assert (version("aiortc"), version("aioice"), version("pylibsrtp")) == ("1.16.0", "0.13.0", "1.0.0")
    for path, names in PRIVATE_NAMES.items():
        module, _, class_name = path.rpartition(".")
        owner = getattr(importlib.import_module(module), class_name)
        text = inspect.getsource(owner)
        assert [name for name in names if name not in text] == []
    for name in ("server_reflexive_candidate", "get_host_addresses", "StunProtocol", "CandidatePair"):
        assert hasattr(aioice.ice, name)
    for name in ("get_component_candidates", "data_received", "request_received", "check_incoming", "connect", "close"):
        assert hasattr(aioice.ice.Connection, name)


async def test_packets_go_both_ways_in_the_clear_and_encrypted_between(ends: tuple[End, End]) -> None:
    one, two = ends
    await _connect(one, two)
    assert one.transport.connected and one.transport.role == "server"
    audio, report = pack_rtp(0, 1, 1, 7, b"hello" * 20), bytes((0x80, 201, 0, 1, 0, 0, 0, 7))
    assert one.transport.send(audio) and one.transport.send(report) and two.transport.send(audio)
    await two.packets.reach(2)
    await one.packets.reach(1)
    assert two.packets == [audio, report] and one.packets == [audio]


async def test_only_the_address_given_is_used(ends: tuple[End, End]) -> None:
    one, _ = ends
    assert {each.host for each in one.transport.candidates} == {"127.0.0.1"}
    host, port = one.transport.address
    assert host == "127.0.0.1" and port == one.transport.candidates[0].port
    assert aioice.ice.get_host_addresses.__module__ == "aioice.ice"  # nothing was replaced for everybody


async def test_without_an_address_those_of_the_machine_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, hosts in ((["127.0.0.1"], {"127.0.0.1"}), ([], {"127.0.0.1"})):
        addresses = list(found)
        monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6, a=addresses: a)
        transport = SecureTransport(controlling=True, deliver=lambda data, at: None, lost=lambda reason: None)
        await transport.gather()
        assert {each.host for each in transport.candidates} == hosts
        await transport.close()


async def test_an_address_that_is_not_ours() -> None:
    transport = SecureTransport(
        controlling=True, deliver=lambda data, at: None, lost=lambda reason: None, address="192.0.2.1"
    )
    with pytest.raises(MediaError, match="no address"):
        await transport.gather()
    await transport.close()


async def test_a_wrong_fingerprint_is_refused(ends: tuple[End, End]) -> None:
    one, two = ends
    wrong = replace(two.described, fingerprints=(Fingerprint("sha-256", ":".join(["00"] * 32)),))
    other = asyncio.create_task(_quietly(two.transport.connect(one.described, "client")))
    with pytest.raises(MediaError, match="DTLS"):
        await one.transport.connect(wrong, "server")
    other.cancel()
    await asyncio.wait([other])
    assert not one.transport.connected and not one.transport.send(pack_rtp(0, 1, 1, 1, b""))


async def _quietly(work: Any) -> None:
    try:
        await work
    except MediaError:
        pass


async def test_nobody_there(ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = ends
    monkeypatch.setattr(webrtc, "CONNECT_SECONDS", 0.2)
    silent = replace(two.described, candidates=(replace(two.transport.candidates[0], port=1),))
    with pytest.raises(MediaError):
        await one.transport.connect(silent, "server")
    named = replace(silent, candidates=(replace(two.transport.candidates[0], host="x.local"),))
    begin = time.monotonic()
    with pytest.raises(MediaError, match="ICE|in time"):
        await one.transport.connect(named, "server")
    assert time.monotonic() - begin < 2  # the name was not looked up


async def test_the_far_side_goes(ends: tuple[End, End]) -> None:
    one, two = ends
    await _connect(one, two)
    await two.transport.close()
    await one.reasons.reach(1)
    assert one.reasons == ["the far side ended DTLS"] and not one.transport.connected
    assert two.reasons == []


async def test_a_far_side_that_falls_silent_is_noticed(ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = ends
    monkeypatch.setattr(webrtc, "_CONSENT_SECONDS", 0.02)
    await _connect(one, two)
    await _calls(two.transport._agent, "request_received", monkeypatch).reach(4)
    assert one.reasons == []  # it answers, that is enough
    monkeypatch.setattr(webrtc, "_CONSENT_RETRIES", -1)  # no second to answer
    monkeypatch.setattr(webrtc, "_CONSENT_EXPIRES", 0.1)
    await one.reasons.reach(1)
    assert one.reasons == ["the far side is not there any more (ICE)"]


async def test_a_role_conflict_is_won_whatever_the_far_side_draws(ends: tuple[End, End]) -> None:
    """FreeSWITCH claims the controlled role also where it has made the offer."""
    _, two = ends
    three = End()
    three.make(False)
    await three.transport.gather()
    three.transport._agent._tie_breaker = (1 << 63) - 1  # its highest
    await asyncio.gather(
        two.transport.connect(three.described, "server"), three.transport.connect(two.described, "client")
    )
    assert two.transport._agent.ice_controlling
    await three.transport.close()


async def test_a_check_of_theirs_makes_ours_be_sent_anew(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our first check is lost, because they do not know us yet: nobody waits for its retransmission."""
    one, two = ends
    begin = asyncio.get_running_loop().time()
    two.transport._agent._early_checks_done = False
    two.transport._agent._closing = True  # what comes now is lost
    checks = _calls(two.transport._agent, "request_received", monkeypatch)
    early = asyncio.create_task(one.transport.connect(two.described, "server"))
    await checks.reach(1)
    two.transport._agent._closing = False
    await two.transport.connect(one.described, "client")
    await early
    assert asyncio.get_running_loop().time() - begin < 0.4


async def test_another_far_side_at_the_same_place(ends: tuple[End, End]) -> None:
    """The second answer to one offer names somebody else: same socket, same credentials, all anew."""
    one, two = ends
    before = (one.transport.address, one.transport.ufrag, one.transport.password, one.transport.fingerprint)
    await _connect(one, two)
    three = End()
    three.make(False)
    await three.transport.gather()
    await _connect(one, three)
    assert before == (one.transport.address, one.transport.ufrag, one.transport.password, one.transport.fingerprint)
    assert three.transport.send(pack_rtp(0, 1, 1, 7, b"x"))
    await one.packets.reach(1)
    await three.transport.close()


async def test_hostile_packets_change_nothing(ends: tuple[End, End]) -> None:
    one, two = ends
    chance = random.Random(7)
    attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def attack() -> None:
        for _ in range(150):
            first = chance.choice([0, 1, 3, 22, 63, 64, 128, 129, 144, 191, 255])
            data = bytes((first, chance.choice([0, 1, 8, 200, 201, chance.randrange(256)])))
            data += bytes(chance.randrange(256) for _ in range(chance.choice([0, 5, 10, 18, 100, 1400])))
            attacker.sendto(data, one.transport.address)
        cookie = bytes.fromhex("0001") + b"%s" + bytes.fromhex("2112a442") + bytes(12)
        for attributes in (
            b"\x00\x06\x00\x04\xff\xfe\xfd\xfc",
            b"\x00\x20\x00\x02\x00\x01\x00\x00",
            b"\x80\x28\x00\x04abcd",
        ):
            attacker.sendto(cookie % len(attributes).to_bytes(2, "big") + attributes, one.transport.address)
        attacker.sendto(b"", one.transport.address)

    attack()
    await _connect(one, two)
    attack()
    assert two.transport.send(pack_rtp(0, 1, 1, 7, b"still here"))
    await one.packets.reach(1)
    assert [packet[12:] for packet in one.packets] == [b"still here"]
    assert one.reasons == []
    attacker.close()


def test_candidates_that_are_not_used() -> None:
    host = Candidate("1", 1, "udp", 1, "127.0.0.1", 5, "host")
    assert webrtc._usable(host) is not None
    for wrong in (
        replace(host, component=2),
        replace(host, transport="tcp"),
        replace(host, port=0),
        replace(host, host="example.org"),
    ):
        assert webrtc._usable(wrong) is None


def test_stun_servers() -> None:
    assert webrtc._host_and_port(None) is None
    assert webrtc._host_and_port("stun:stun.example.org:3478") == ("stun.example.org", 3478)
    assert webrtc._host_and_port("192.0.2.1") == ("192.0.2.1", 3478)


async def test_a_stun_server_that_is_asked_tells_our_address() -> None:
    """The server is another transport's socket: aioice answers binding requests without credentials with an error."""
    server = await asyncio.get_running_loop().create_datagram_endpoint(_Stun, local_addr=("127.0.0.1", 0))
    port = server[0].get_extra_info("sockname")[1]
    end = End()
    end.make(True, stun=f"127.0.0.1:{port}")
    await end.transport.gather()
    kinds = {each.type: each for each in end.transport.candidates}
    assert kinds["srflx"].host == "192.0.2.7" and end.transport.address == ("192.0.2.7", 7777)
    await end.transport.close()
    server[0].close()


class _Stun(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        request = aioice.stun.parse_message(data)
        response = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.RESPONSE, request.transaction_id)
        response.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.7", 7777)
        self.transport.sendto(bytes(response), addr)


def test_every_certificate_is_its_own() -> None:
    one, two = Certificate.generateCertificate(), Certificate.generateCertificate()
    assert one.sha256 != two.sha256 and len(one.sha256) == 95


async def test_what_strangers_send_is_not_looked_at(ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but STUN from an address that neither the SDP nor a check made known: DTLS reads alerts in the clear."""
    one, two = ends
    agent = one.transport._agent
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    alert = bytes((21, 254, 253)) + bytes(8) + bytes((0, 2, 2, 40))
    asked = _calls(agent, "knows", monkeypatch)
    for _ in range(100):
        stranger.sendto(alert, one.transport.address)
    await asked.reach(100)
    assert agent._queue.empty()
    await _connect(one, two)
    stranger.sendto(alert, one.transport.address)
    two.transport.send(pack_rtp(0, 1, 1, 7, b"known"))
    await one.packets.reach(1)
    assert agent._queue.empty() and one.reasons == []
    stranger.close()


async def test_any_of_several_fingerprints_will_do(ends: tuple[End, End]) -> None:
    one, two = ends
    other = Fingerprint("sha-256", ":".join(["00"] * 32))
    many = replace(two.described, fingerprints=(*two.described.fingerprints, other))
    await asyncio.gather(one.transport.connect(many, "server"), two.transport.connect(one.described, "client"))
    assert one.transport.connected


async def test_while_it_begins_anew_it_is_still_at_its_address(ends: tuple[End, End]) -> None:
    one, two = ends
    await _connect(one, two)
    candidates, address = one.transport.candidates, one.transport.address
    again = asyncio.create_task(_quietly(one.transport.connect(replace(two.described, ufrag="other"), "server")))
    for _ in range(20):
        await asyncio.sleep(0)  # at every turn of it
        assert (one.transport.candidates, one.transport.address) == (candidates, address)
    again.cancel()
    await asyncio.wait([again])
