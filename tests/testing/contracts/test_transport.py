"""The contract of transports finds out what breaks it. (What keeps it: tests/transport.)"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from offhook.sip.flow import CloseFlow, FlowClosed, FlowOutput, Send
from offhook.testing.contracts import TransportContract, unused_port
from offhook.transport.base import Deliver, FlowPort
from offhook.transport.websocket_client import WebSocketTransport
from offhook.transport.websocket_server import WebSocketListener


class Faulty:
    """A transport that does something else with some output."""

    def __init__(self, deliver: Deliver, fault: Callable[[Faulty, FlowOutput], bool]) -> None:
        self.deliver = deliver
        self.inner = WebSocketTransport(deliver)
        self._fault = fault

    def perform(self, output: FlowOutput) -> None:
        if not self._fault(self, output):
            self.inner.perform(output)

    async def close(self) -> None:
        await self.inner.close()


def contract_of(fault: Callable[[Faulty, FlowOutput], bool]) -> TransportContract:
    class Contract(TransportContract):
        def client(self, deliver: Deliver) -> FlowPort:
            return Faulty(deliver, fault)

        async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
            listener = WebSocketListener("127.0.0.1", 0, deliver)
            return listener, f"ws://127.0.0.1:{await listener.start()}"

    return Contract()


def closes_twice(transport: Faulty, output: FlowOutput) -> bool:
    if isinstance(output, CloseFlow):
        transport.deliver(FlowClosed(output.flow, "once too often"))
    return False


def swallows(transport: Faulty, output: FlowOutput) -> bool:
    return isinstance(output, Send) and output.data.startswith(b"7")


def cuts_short(transport: Faulty, output: FlowOutput) -> bool:
    if isinstance(output, Send) and len(output.data) > 1000:
        transport.inner.perform(Send(output.flow, output.data[:1000]))
        return True
    return False


def leaves_a_task(transport: Faulty, output: FlowOutput) -> bool:
    transport.task = asyncio.ensure_future(asyncio.Event().wait())  # type: ignore[attr-defined]
    return False


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        (closes_twice, TransportContract.test_closing_tells_both_sides_once_and_sends_what_waits),
        (swallows, TransportContract.test_the_order_is_kept),
        (cuts_short, lambda contract: contract.test_large_messages_pass_whole(20_000)),
        (leaves_a_task, TransportContract.test_a_probe_is_answered),
    ],
)
async def test_faults_of_a_transport_are_found(
    fault: Callable[[Faulty, FlowOutput], bool], test: Callable[[TransportContract], Awaitable[None]]
) -> None:
    with pytest.raises(AssertionError):
        await test(contract_of(fault))
    await test(contract_of(lambda transport, output: False))


def test_an_unused_port_is_unused() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", unused_port()), timeout=1)
