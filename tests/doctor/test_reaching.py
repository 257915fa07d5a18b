"""The way to a server: what is said of each way in which there is none."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from offhook.doctor import reaching
from offhook.doctor.findings import CheckEnded, Finding, Verdict
from offhook.doctor.reaching import Place, judge_upgrade, not_open, place_of, refused_certificate

Serve = Callable[..., Awaitable[int]]

WELL = Place("wss", "pbx.example", 7443)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Servers that read a request (or nothing), say something, and close (or wait)."""
    servers: list[asyncio.Server] = []
    ended = asyncio.Event()

    async def start(says: bytes | None, *, tls: ssl.SSLContext | None = None) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if says is None:
                await ended.wait()
            else:
                with suppress(asyncio.IncompleteReadError):  # who only looked whether the port is open
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(says)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    ended.set()
    for server in servers:
        server.close()
        await server.wait_closed()


def said(found: dict[str, Finding], name: str) -> tuple[Verdict, str, str]:
    outcome = found[name].outcome
    return outcome.verdict, outcome.seen, outcome.remedy


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("ws://a:1/x?y", Place("ws", "a", 1, "/x?y")),
        ("wss://a", Place("wss", "a", 443)),
        ("udp:a:5060", Place("udp", "a", 5060)),
        ("tls:a:5061", Place("tls", "a", 5061)),
        ("sip:a", Place("sip", "a", None)),
    ],
)
def test_places(url: str, place: Place) -> None:
    assert place_of(url) == place
    assert place_of(url).tls == (place.scheme in ("wss", "tls"))


async def test_an_unknown_name(look: Any) -> None:
    found = await look("ws://offhook.invalid:5066", "sip")
    verdict, seen, remedy = said(found, "name")
    assert verdict is Verdict.FAILED and "offhook.invalid" in seen and "--sip" in remedy
    assert found["sip"].outcome.seen == "name failed"


async def test_nobody_listens(look: Any) -> None:
    verdict, seen, remedy = said(await look("ws://127.0.0.1:1", "port"), "port")
    assert verdict is Verdict.FAILED and "refuses" in seen and "offhook_ws_binding" in remedy


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM])
def test_other_ways_of_not_getting_there(number: int) -> None:
    outcome = not_open(WELL, OSError(number, "no way"))
    assert "no way" in outcome.seen and "firewall" in outcome.remedy


async def test_silence(look: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PORT_SECONDS", 0.2)
    port = await serve(None)
    verdict, seen, _ = said(await look(f"ws://127.0.0.1:{port}", "websocket"), "websocket")
    assert verdict is Verdict.FAILED and "does not answer HTTP" in seen
    verdict, seen, remedy = said(await look(f"wss://127.0.0.1:{port}", "certificate"), "certificate")
    assert verdict is Verdict.FAILED and "TLS handshake" in seen and "use ws:" in remedy


async def test_a_port_that_drops_everything(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(reaching, "PORT_SECONDS", 0.05)
    monkeypatch.setattr("asyncio.open_connection", never)
    verdict, seen, remedy = said(await look("ws://127.0.0.1:5066", "port"), "port")
    assert verdict is Verdict.FAILED and "does not answer" in seen and "firewall" in remedy


@pytest.mark.parametrize(
    ("says", "seen"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
        (b"SIP/2.0 400 Bad\r\n\r\n", "instead of opening a WebSocket"),
        (b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: wrong\r\n\r\n", "Sec-WebSocket-Accept"),
        (b"", "broke off"),
        (b"x" * 40_000, "broke off"),
    ],
)
async def test_no_websocket(look: Any, serve: Serve, says: bytes, seen: str) -> None:
    port = await serve(says)
    verdict, text, remedy = said(await look(f"ws://127.0.0.1:{port}", "websocket"), "websocket")
    assert verdict is Verdict.FAILED and seen in text and remedy


def test_a_websocket_without_the_subprotocol() -> None:
    head = "HTTP/1.1 101 Switching Protocols"
    assert not judge_upgrade(WELL, head, {"sec-websocket-accept": "x"}, "x")
    assert judge_upgrade(WELL, head, {"sec-websocket-accept": "x", "sec-websocket-protocol": "sip"}, "x")
    with pytest.raises(CheckEnded):
        judge_upgrade(WELL, "", {}, "x")


@pytest.mark.parametrize(
    ("code", "named"),
    [(10, "Renew"), (9, "clocks"), (62, "subjectAltName"), (64, "subjectAltName"), (18, "--ca-file"), (20, "chain")],
)
def test_why_a_certificate_is_refused(code: int, named: str) -> None:
    outcome = refused_certificate(WELL, code, "so it is")
    assert outcome.verdict is Verdict.FAILED and "so it is" in outcome.seen and named in outcome.remedy


async def test_a_switch_with_a_certificate_of_its_own(
    start_switch: Any, look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = await start_switch(media="null", wss_port=0)
    verdict, seen, remedy = said(await look(switch.wss_url, "certificate", media="null"), "certificate")
    assert verdict is Verdict.FAILED and "self-signed" in seen and "wss.pem" in remedy
    found = await look(switch.wss_url, "sip", media="null", insecure_tls=True)
    assert found["sip"].outcome.verdict is Verdict.OK
    assert "--insecure-tls" in found["certificate"].outcome.seen and found["certificate"].outcome.notes
    monkeypatch.setattr(reaching, "SOON_DAYS", 100_000)
    file = tmp_path / "ca.pem"
    file.write_bytes(switch.certificate.certificate)
    found = await look(switch.wss_url, "websocket", media="null", ca_file=str(file))
    assert found["websocket"].outcome.verdict is Verdict.OK
    assert "valid for" in found["certificate"].outcome.seen and "renew" in found["certificate"].outcome.notes[0]


async def test_tls_where_there_is_none(look: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PORT_SECONDS", 0.3)
    port = await serve(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    verdict, seen, remedy = said(await look(f"wss://127.0.0.1:{port}", "certificate"), "certificate")
    assert verdict is Verdict.FAILED and remedy and ("no TLS" in seen or "TLS handshake" in seen)


async def test_old_tls_is_not_seen_where_there_is_none(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PORT_SECONDS", 0.3)
    assert not await reaching.takes_old_tls(Place("wss", "127.0.0.1", await serve(b"")))


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_without_a_websocket(start_switch: Any, look: Any, kind: str) -> None:
    switch = await start_switch(media="null", udp_port=0, tcp_port=0)
    found = await look(getattr(switch, f"{kind}_url"), "register", media="null")
    assert {one.outcome.verdict for one in found.values()} == {Verdict.OK}, found
    assert "not used" in found["websocket"].outcome.seen


async def test_a_websocket_that_speaks_no_sip(look: Any, start_switch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr("offhook.doctor.handset.Handset.request", deaf)
    switch = await start_switch(media="null")
    verdict, seen, _ = said(await look(switch.ws_url, "sip", media="null"), "sip")
    assert verdict is Verdict.FAILED and "does not answer OPTIONS" in seen
