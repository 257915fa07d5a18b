from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Literal

import aiohttp
import pytest

from offhook.doctor.handset import Handset
from offhook.doctor.hearing import tones_in
from offhook.doctor.leg import Line
from offhook.errors import ConfigError, StateError
from offhook.media import video_codec
from offhook.media.local import LocalEngine
from offhook.sip.fields import Replaces
from offhook.sip.message import Request
from offhook.switch.causes import Cause
from offhook.switch.directory import Directory, Queue, User
from offhook.switch.exchange import ChannelEnded, IvrDigits
from offhook.switch.server import KEPT_DIGITS, Switch, SwitchConfig


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    made = Switch(SwitchConfig(ws_port=0, wss_port=0, media="null"))
    await made.start()
    yield made
    await made.stop()


def test_what_it_is_told_to_be() -> None:
    queue = Queue("sales", ("1002",))
    made = Switch(SwitchConfig(queues=(queue,), imitate="efcx", open_eavesdrop=True))
    exchange = made.node._exchange
    assert exchange.directory.queues == {"sales": queue} and exchange.directory.supervises("1009")
    assert exchange.settings.server == "efcx" and exchange.settings.open_eavesdrop
    plain = Switch(SwitchConfig()).node._exchange
    assert list(plain.directory.queues) == ["support"] and plain.settings.server == "freeswitch"
    assert not plain.settings.open_eavesdrop


def options(transport: str) -> str:
    request = Request("OPTIONS", "sip:127.0.0.1")
    for name, value in (
        ("Via", f"SIP/2.0/{transport} x.invalid;branch=z9hG4bK1"),
        ("Max-Forwards", "70"),
        ("From", "<sip:1000@127.0.0.1>;tag=f"),
        ("To", "<sip:127.0.0.1>"),
        ("Call-ID", "c"),
        ("CSeq", "1 OPTIONS"),
    ):
        request.headers.add(name, value)
    return request.serialize().decode()


async def ask(url: str, text: str, tls: ssl.SSLContext | None = None) -> str:
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, protocols=("sip",), ssl=tls or True) as socket:
            await socket.send_str(text)
            return str(await socket.receive_str(timeout=5))


async def test_it_answers_over_ws_and_wss(switch: Switch) -> None:
    assert (await ask(switch.ws_url, options("WS"))).startswith("SIP/2.0 200 OK\r\n")
    assert switch.certificate is not None and switch.wss_url is not None
    tls = ssl.create_default_context(cadata=switch.certificate.certificate.decode())
    assert (await ask(switch.wss_url, options("WSS"), tls)).startswith("SIP/2.0 200 OK\r\n")


async def test_it_answers_over_udp_and_tcp() -> None:
    switch = Switch(SwitchConfig(ws_port=None, udp_port=0, tcp_port=0, media="null"))
    await switch.start()
    try:
        assert switch.udp_url is not None and switch.tcp_url is not None and not switch.ws_url
        assert switch.udp_url.startswith("udp:127.0.0.1:") and switch.tcp_url.startswith("tcp:127.0.0.1:")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(switch.tcp_url.rpartition(":")[2]))
        writer.write(options("TCP").encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert answer.startswith(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP x.invalid;branch=z9hG4bK1;received=127.0.0.1\r\n")
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 5) == b"\r\n"
        writer.close()
        await writer.wait_closed()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.connect(("127.0.0.1", int(switch.udp_url.rpartition(":")[2])))
            asker.send(options("UDP").encode())
            answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(asker, 65536), 5)
        assert answer.startswith(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x.invalid;branch=z9hG4bK1;received=127.0.0.1\r\n")
    finally:
        await switch.stop()


@pytest.mark.parametrize("kind", ["udp_port", "tcp_port"])
async def test_a_plain_port_that_is_taken(kind: str) -> None:
    first = Switch(SwitchConfig(ws_port=None, media="null", **{kind: 0}))  # type: ignore[arg-type]
    await first.start()
    port = int((first.udp_url or first.tcp_url or "").rpartition(":")[2])
    other = Switch(SwitchConfig(ws_port=0, media="null", **{kind: port}))  # type: ignore[arg-type]
    with pytest.raises(OSError):
        await other.start()
    await other.stop()
    await first.stop()


async def test_every_message_is_traced() -> None:
    seen: list[tuple[str, bool, bytes]] = []
    switch = Switch(SwitchConfig(ws_port=0, media="null", trace=lambda *what: seen.append(what)))
    await switch.start()
    await ask(switch.ws_url, options("WS"))
    await switch.stop()
    assert [(sent, data[:7]) for _, sent, data in seen] == [(False, b"OPTIONS"), (True, b"SIP/2.0")]


async def test_controls_of_a_test(switch: Switch) -> None:
    with pytest.raises(StateError, match="1001 is not registered"):
        switch.originate("1001", {"X-Call-Id": "1"})
    switch.hang_up("1001")
    switch.hold("1001")
    switch.deflect("1001", "1002")
    assert switch.channels() == () and switch.ivr_digits == [] and not switch.registered("1001")


async def test_a_switch_that_does_not_run() -> None:
    switch = Switch()
    await switch.stop()
    with pytest.raises(StateError):
        switch.hang_up("1000")


async def test_a_port_that_is_taken(switch: Switch) -> None:
    port = int(switch.ws_url.rpartition(":")[2])
    other = Switch(SwitchConfig(ws_port=port, media="null"))
    with pytest.raises(OSError):
        await other.start()
    await other.stop()


def test_transfers_are_confirmed_unless_it_is_told_otherwise() -> None:
    switches = (Switch(SwitchConfig(media="null")), Switch(SwitchConfig(media="null", confirm_blind_transfer=False)))
    settings = [switch.node._exchange.settings for switch in switches]
    assert [each.confirm_blind_transfer for each in settings] == [each.ignore_early_media for each in settings]
    assert [each.confirm_blind_transfer for each in settings] == [True, False]


def test_video_is_offered_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def video(media: Literal["local", "null"]) -> bool:
        return Switch(SwitchConfig(media=media)).node._exchange.settings.video

    monkeypatch.setattr(video_codec, "available", lambda: True)
    assert (video("local"), video("null")) == (True, False)
    monkeypatch.setattr(video_codec, "available", lambda: False)
    assert not video("local")
    monkeypatch.setitem(sys.modules, "offhook.media.video_codec", None)
    assert not video("local")


def test_nothing_to_listen_on() -> None:
    with pytest.raises(ConfigError):
        Switch(SwitchConfig(ws_port=None))


def test_passwords_are_not_shown() -> None:
    users = Directory([User("1", "one", "sesame")])
    assert "sesame" not in repr(SwitchConfig(users=users))


async def test_digits_are_kept_and_logged(switch: Switch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        for number in range(KEPT_DIGITS + 5):
            switch._digits(IvrDigits("uuid", "1000", str(number)))
        switch._ended(ChannelEnded("uuid", Cause.USER_BUSY))
    assert len(switch.ivr_digits) == KEPT_DIGITS and switch.ivr_digits[-1].digits == str(KEPT_DIGITS + 4)
    assert "IVR-DIGITS uuid=uuid: 1 digits" in caplog.messages and "1000" not in caplog.text
    assert caplog.messages[-1] == "channel uuid ended: USER_BUSY"


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    await switch.stop()
    assert asyncio.all_tasks() == before


def test_it_is_as_conf_freeswitch_has_it_unless_it_imitates_the_other() -> None:
    switches = (Switch(SwitchConfig(media="null")), Switch(SwitchConfig(media="null", imitate="efcx")))
    assert [switch.node._exchange.settings.server_half for switch in switches] == [True, False]


async def test_audio_follows_a_call_that_is_taken_over() -> None:
    """freeswitch/recovery.md D08: by new media over another connection, while the old one lives."""
    switch = Switch(SwitchConfig(ws_port=0, media="local"))
    await switch.start()
    tones = {"1000": 440.0, "1001": 660.0, "heir": 880.0}
    lines = {
        name: Line(
            servers=(switch.ws_url,), domain="127.0.0.1", user=name if hz < 800 else "1000", password="1234", hz=hz
        )
        for name, hz in tones.items()
    }
    phones = {name: Handset(line, LocalEngine(address="127.0.0.1")) for name, line in lines.items()}
    alice, bob, heir = phones.values()
    try:
        for phone in (alice, bob):
            await phone.connect()
        hers = await alice.dial("1001")
        his = await bob.rings()
        assert his is not None
        await bob.answer(his)
        assert await alice.decided(hers)
        assert set(tones_in(await bob.listen(his), tuple(tones.values()))) == {440.0}
        await heir.connect(register=False)
        old = alice.agent.session(hers.session)
        name = Replaces(old.call_id, old.remote_tag, old.local_tag)
        taken = await heir.call("offhook-recover", headers=(("Replaces", str(name)),))
        assert taken.up and await alice.until(lambda: hers.end is not None, 5.0)
        assert hers.refusal == "BYE (Call completed elsewhere)"
        assert set(tones_in(await heir.listen(taken), tuple(tones.values()))) == {660.0}
        assert set(tones_in(await bob.listen(his), tuple(tones.values()))) == {880.0}
    finally:
        for phone in phones.values():
            await phone.close()
        await switch.stop()
