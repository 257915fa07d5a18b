"""What all listeners on TCP do alike: they name what they accept, open nothing, and may be closed at any time."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from offhook.errors import StateError
from offhook.sip.flow import CloseFlow, FlowClosed, FlowOpened, OpenFlow
from offhook.testing.contracts import Inbox
from offhook.transport.listening import TcpListener
from offhook.transport.stream import StreamListener, StreamTransport
from offhook.transport.websocket_client import WebSocketTransport
from offhook.transport.websocket_server import SelfSigned, WebSocketListener


class Kind(NamedTuple):
    """A listener and the client that goes with it."""

    scheme: str
    secure: bool
    listener: type[StreamListener | WebSocketListener]
    client: type[StreamTransport | WebSocketTransport]


KINDS = (
    Kind("tcp", False, StreamListener, StreamTransport),
    Kind("tls", True, StreamListener, StreamTransport),
    Kind("ws", False, WebSocketListener, WebSocketTransport),
    Kind("wss", True, WebSocketListener, WebSocketTransport),
)

pytestmark = pytest.mark.parametrize("kind", KINDS, ids=[kind.scheme for kind in KINDS])


async def test_flows_are_named_by_the_listener_or_by_its_owner(kind: Kind, certificate: SelfSigned) -> None:
    names = iter(["one", "two"])
    tls = certificate.context if kind.secure else None
    client = kind.client(lambda _: None, insecure_tls=True)
    for name_flow, expected in (
        (lambda: next(names), ["one", "two"]),
        (None, [f"{kind.scheme}-1", f"{kind.scheme}-2"]),
    ):
        told = Inbox()
        listener = kind.listener("127.0.0.1", 0, told, ssl=tls, name_flow=name_flow)
        url = f"{kind.scheme}://127.0.0.1:{await listener.start()}"
        for name in expected:
            client.perform(OpenFlow(f"to {name}", url))
            assert (await told.next(FlowOpened)).flow == name
        await listener.close()
        assert {(await told.next(FlowClosed)).flow for _ in expected} == set(expected)
    await client.close()


async def test_a_listener_opens_nothing_and_passes_over_flows_of_others(kind: Kind) -> None:
    listener = kind.listener("127.0.0.1", 0, lambda _: None)
    assert isinstance(listener, TcpListener)
    with pytest.raises(StateError, match="opens no flows"):
        listener.perform(OpenFlow("flow", f"{kind.scheme}://127.0.0.1:1"))
    listener.perform(CloseFlow("of another"))


async def test_closing_a_listener_that_was_not_started(kind: Kind) -> None:
    await kind.listener("127.0.0.1", 0, lambda _: None).close()
