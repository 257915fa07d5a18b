"""What the tests of transports share: a listener of every scheme, and a certificate for those with TLS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from offhook.transport.base import Deliver, FlowPort
from offhook.transport.stream import StreamListener
from offhook.transport.udp import UdpListener
from offhook.transport.websocket_server import SelfSigned, WebSocketListener, self_signed

Listen = Callable[[str, Deliver], Awaitable[tuple[FlowPort, str]]]


@pytest.fixture(scope="session")
def certificate() -> SelfSigned:
    return self_signed()


@pytest.fixture
def ca_file(certificate: SelfSigned, tmp_path: Path) -> str:
    """For clients that are to trust `certificate`."""
    file = tmp_path / "ca.pem"
    file.write_bytes(certificate.certificate)
    return str(file)


@pytest.fixture
def listen(certificate: SelfSigned) -> Listen:
    """Starts a listener of that scheme on 127.0.0.1; gives it and the URL to reach it by."""

    async def start(scheme: str, deliver: Deliver) -> tuple[FlowPort, str]:
        listener: UdpListener | StreamListener | WebSocketListener
        tls = certificate.context if scheme in ("tls", "wss") else None
        if scheme == "udp":
            listener = UdpListener("127.0.0.1", 0, deliver)
        elif scheme in ("tcp", "tls"):
            listener = StreamListener("127.0.0.1", 0, deliver, ssl=tls)
        else:
            listener = WebSocketListener("127.0.0.1", 0, deliver, ssl=tls)
        return listener, f"{scheme}://127.0.0.1:{await listener.start()}"

    return start
