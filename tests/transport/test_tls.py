"""Certificates that a client takes and that it refuses, over every transport that has TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from offhook.errors import ConfigError
from offhook.sip.flow import FlowFailed, FlowOpened, OpenFlow
from offhook.testing.contracts import Inbox
from offhook.transport.stream import StreamListener, StreamTransport
from offhook.transport.tls import client_tls, refusal
from offhook.transport.websocket_client import WebSocketTransport
from offhook.transport.websocket_server import SelfSigned, WebSocketListener, self_signed

Open = Callable[..., Awaitable[Inbox]]


@pytest.fixture(params=["tls", "wss"])
async def open_flow(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens a flow to a server on 127.0.0.1 that shows that certificate; gives what the client was told."""
    async with AsyncExitStack() as stack:

        async def start(tls: ssl.SSLContext, insecure_tls: bool = False, ca_file: str | None = None) -> Inbox:
            told = Inbox()
            listener: StreamListener | WebSocketListener
            transport: StreamTransport | WebSocketTransport
            if request.param == "tls":
                listener = StreamListener("127.0.0.1", 0, lambda _: None, ssl=tls)
                transport = StreamTransport(told, insecure_tls=insecure_tls, ca_file=ca_file)
                url = f"tls:127.0.0.1:{await listener.start()}"
            else:
                listener = WebSocketListener("127.0.0.1", 0, lambda _: None, ssl=tls)
                transport = WebSocketTransport(told, insecure_tls=insecure_tls, ca_file=ca_file)
                url = f"wss://127.0.0.1:{await listener.start()}"
            stack.push_async_callback(listener.close)
            stack.push_async_callback(transport.close)
            transport.perform(OpenFlow("flow", url))
            return told

        yield start


async def test_a_self_signed_certificate_is_refused_with_the_remedy(open_flow: Open, certificate: SelfSigned) -> None:
    told = await open_flow(certificate.context)
    reason = (await told.next(FlowFailed)).reason
    assert "self-signed certificate" in reason
    assert "--ca-file" in reason
    assert "--insecure-tls" in reason


async def test_a_certificate_for_another_name_is_refused_with_another_remedy(open_flow: Open, tmp_path: Path) -> None:
    other = self_signed(["sip.example.org"])
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(other.certificate)
    told = await open_flow(other.context, ca_file=str(ca_file))
    reason = (await told.next(FlowFailed)).reason
    assert "Connect by the name" in reason
    assert "--ca-file" not in reason


async def test_insecure_tls_takes_any_certificate(open_flow: Open) -> None:
    told = await open_flow(self_signed(["sip.example.org"]).context, insecure_tls=True)
    await told.next(FlowOpened)


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "not PEM"])
@pytest.mark.parametrize("transport", [StreamTransport, WebSocketTransport])
def test_a_ca_file_that_cannot_be_read_is_an_error_of_configuration(
    transport: type[StreamTransport | WebSocketTransport], content: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match="ca_file"):
        transport(lambda _: None, ca_file=str(file))


def test_what_is_demanded_of_a_certificate() -> None:
    assert client_tls(False, None).verify_mode is ssl.CERT_REQUIRED
    assert client_tls(False, None).check_hostname
    assert client_tls(True, None).verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("code", "remedy"), [(18, "Give the certificate of its authority"), (62, "Connect by the name"), (64, "Connect by")]
)
def test_each_refusal_has_its_remedy(code: int, remedy: str) -> None:
    assert refusal("example.org:5061", code, "why").startswith(
        f"the certificate of example.org:5061 is refused: why. {remedy}"
    )
