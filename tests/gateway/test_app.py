"""The gateway over real sockets: health, origins, limits, trace, the end."""

from __future__ import annotations

import asyncio
import datetime
import json
import socket
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from offhook import __version__
from offhook.config import Config
from offhook.errors import ConfigError
from offhook.gateway.app import Gateway, first_words, listen_error, new_engine, server_tls
from offhook.gateway.interface import Limits
from offhook.media.null import NullEngine
from offhook.sip.tracing import read_trace
from offhook.switch.server import Switch
from offhook.testing.desk import Desk


async def health(gateway: Gateway) -> Any:
    async with aiohttp.ClientSession() as session, session.get(gateway.health_url) as answer:
        assert answer.status == 200
        return await answer.json()


async def status_of(gateway: Gateway, **headers: str) -> int:
    """The HTTP status of an attempt to connect with these headers; 101 when it worked."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(gateway.url, headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


async def test_health(start_gateway: Any, switch: Switch) -> None:
    gateway = await start_gateway(sip=(switch.ws_url,))
    empty = {"status": "ok", "agents": 0, "calls": 0, "connections": 0, "version": __version__}
    assert await health(gateway) == empty
    async with Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        assert await health(gateway) == empty | {"agents": 1, "connections": 1}
        await desk.do("logout")
    assert await health(gateway) == empty


async def test_origins(start_gateway: Any) -> None:
    gateway = await start_gateway(allow_origin=("https://desk.example",))
    assert await status_of(gateway) == 101
    assert await status_of(gateway, Origin="https://desk.example") == 101
    assert await status_of(gateway, Origin=f"http://localhost:{gateway.port}") == 101
    for foreign in ("https://evil.example", "http://desk.example", "null", f"http://localhost:{gateway.port + 1}", ""):
        assert await status_of(gateway, Origin=foreign) == 403, foreign


async def test_a_name_that_leads_here_is_no_proof(start_gateway: Any) -> None:
    gateway = await start_gateway()
    name = f"evil.example:{gateway.port}"  # DNS rebinding: Origin and Host agree, and both are the attacker's
    assert await status_of(gateway, Origin=f"http://{name}", Host=name) == 403


async def test_plain_http_is_told_what_it_is(start_gateway: Any) -> None:
    gateway = await start_gateway()
    async with aiohttp.ClientSession() as session:
        async with session.get(gateway.url.replace("ws:", "http:")) as answer:
            assert answer.status == 426
            assert "WebSocket" in await answer.text()
        async with session.get(gateway.health_url.replace("healthz", "nothing")) as answer:
            assert answer.status == 404


async def test_rubbish_is_answered_and_the_connection_stays(start_gateway: Any) -> None:
    gateway = await start_gateway()
    async with Desk(gateway.url) as desk:
        for text, code in (("", "invalid-json"), ("[]", "invalid-command"), ('{"action":"dance"}', "unknown-action")):
            await desk.send_text(text)
            await desk.expect("Error", code=code)
        result = await desk.attempt("holdCall", dialogId="d")
        assert result["error"]["code"] == "not-logged-in"


async def test_a_large_command_closes_with_a_sentence(start_gateway: Any) -> None:
    gateway = await start_gateway(Limits(message_bytes=1000))
    async with Desk(gateway.url) as desk:
        await desk.send_text("x" * 1001)
        await desk.expect("Error", code="too-large")
        assert await desk.closed() == 1009
    async with Desk(gateway.url) as desk:
        await desk.send_text("x" * 10_000)  # not even read
        assert await desk.closed() == 1009


async def test_a_flood_is_closed(start_gateway: Any) -> None:
    gateway = await start_gateway(Limits(burst=2, waiting=3))
    async with Desk(gateway.url) as desk:
        for _ in range(6):
            await desk.send_text("{}")
        await desk.expect("Error", code="too-fast")
        assert await desk.closed() == 1008


async def test_connections_are_finite(start_gateway: Any) -> None:
    gateway = await start_gateway(Limits(connections=1))
    async with Desk(gateway.url), Desk(gateway.url) as second:
        await second.expect("Error", code="too-many-connections")
        assert await second.closed() == 1013


async def test_text_frames_alone(start_gateway: Any) -> None:
    gateway = await start_gateway()
    async with aiohttp.ClientSession() as session, session.ws_connect(gateway.url) as connection:
        await connection.send_bytes(b"{}")
        assert (await connection.receive()).data == 1003
        assert connection.close_code == 1003


async def test_the_trace_is_for_its_owner_and_masked(start_gateway: Any, switch: Switch, tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_text("")
    path.chmod(0o644)
    gateway = await start_gateway(sip=(switch.ws_url,), sip_trace=str(path))
    async with Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        await desk.send("makeCall", calledNumber="5000", Destination_Number="5000", callType="audio")
        active = await desk.expect("dialogState", state="ACTIVE")
        await desk.do("SendDtmf", dialogId=active["response"]["dialog"]["id"], message="739")
        await desk.do("logout")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    messages = read_trace(text)
    assert {message.who for message in messages} == {"1000"}
    assert [message.data.split()[0] for message in messages[:1]] == [b"REGISTER"]
    assert "Signal=*" in text
    assert 'response="***"' in text
    for digit in "739":
        assert f"Signal={digit}" not in text


async def test_stop_tells_desks_and_server(start_gateway: Any, switch: Switch) -> None:
    gateway = Gateway(Config(listen="127.0.0.1:0", sip=(switch.ws_url,), media="null"))
    await gateway.start()
    async with Desk(gateway.url) as desk, Desk(gateway.url) as idle:
        await desk.login("1000", "1234")
        await desk.send("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
        await desk.expect("dialogState", state="ACTIVE")
        async with asyncio.timeout(5):
            await gateway.stop()
        await desk.expect("dialogState", state="DROPPED")
        await desk.expect("agentInfo", state="LOGOUT")
        assert (await desk.closed(), await idle.closed()) == (1001, 1001)
    assert not switch.registered("1000")
    assert switch.channels() == ()


async def test_cut_ends_at_once(switch: Switch) -> None:
    gateway = Gateway(Config(listen="127.0.0.1:0", sip=(switch.ws_url,), media="null"))
    await gateway.start()
    async with Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        async with asyncio.timeout(3):
            await gateway.cut()
        assert await desk.closed() in (1001, 1006)


async def test_a_port_in_use() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        gateway = Gateway(Config(listen=f"127.0.0.1:{other.getsockname()[1]}", media="null"))
        with pytest.raises(ConfigError, match="in use by another program"):
            await gateway.start()


@pytest.mark.parametrize(
    ("number", "words"), [(13, "not allowed"), (99, "no address of this machine"), (5, "cannot listen")]
)
def test_listen_errors(number: int, words: str) -> None:
    assert words in str(listen_error("127.0.0.1:1", OSError(number, "it failed")))


def write_certificate(certificate: Path, key: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate.write_bytes(made.public_bytes(pem))
    plain = serialization.NoEncryption()
    key.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


async def test_tls(start_gateway: Any, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    with pytest.raises(ConfigError, match="cannot be used"):
        server_tls(Config(tls_certificate=str(certificate), tls_key=str(key)))
    write_certificate(certificate, key)
    gateway = await start_gateway(tls_certificate=str(certificate), tls_key=str(key))
    assert gateway.url.startswith("wss://127.0.0.1:") and gateway.health_url.startswith("https://")
    async with aiohttp.ClientSession() as session, session.get(gateway.health_url, ssl=False) as answer:
        assert json.loads(await answer.text())["status"] == "ok"


def test_urls() -> None:
    gateway = Gateway(Config(listen="[::1]:8088", media="null"))
    assert (gateway.url, gateway.health_url) == ("ws://[::1]:8088/cti", "http://[::1]:8088/healthz")


def test_an_address_for_audio_that_is_not_ours() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1 is no address of this machine"):
        new_engine(Config(media_address="192.0.2.1"))
    new_engine(Config(media_address="127.0.0.1"))


def test_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(new_engine(Config(media="null")), NullEngine)
    monkeypatch.setitem(__import__("sys").modules, "offhook.media.local", None)
    with pytest.raises(ConfigError, match=r"offhook\[media\]"):
        new_engine(Config())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"INVITE sip:+4930123@a SIP/2.0\r\n\r\n", "INVITE"),
        (b"\r\nSIP/2.0 486 Busy Here\r\nFrom: x\r\n", "486 Busy Here"),
        (b"", ""),
    ],
)
def test_logs_show_no_address(data: bytes, words: str) -> None:
    assert first_words(data) == words
