"""The contracts find out what breaks them. (What keeps them: tests/transport and tests/media/test_contract.py.)"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from offhook.media.engine import CreateOffer, EngineEvent, EngineRequest, GetStats, MediaEngine, OfferCreated
from offhook.media.null import NullEngine
from offhook.sip.flow import CloseFlow, FlowAlive, FlowClosed, FlowInput, FlowOutput, Send
from offhook.testing import contracts
from offhook.testing.contracts import EngineContract, Inbox, Studio, TransportContract, audio_of, unused_port
from offhook.transport.base import Deliver, FlowPort
from offhook.transport.websocket_client import WebSocketTransport
from offhook.transport.websocket_server import WebSocketListener


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "DEADLINE", 0.2)


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
    transport.task = asyncio.ensure_future(asyncio.sleep(0.5))  # type: ignore[attr-defined]
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


class DoubleTongued(NullEngine):
    """Tells every outcome twice, except to those who ask for statistics: they hear nothing."""

    def start(self, deliver: Callable[[EngineEvent], None]) -> None:
        def twice(event: EngineEvent) -> None:
            deliver(event)
            deliver(event)

        super().start(twice)

    def perform(self, request: EngineRequest) -> None:
        if not isinstance(request, GetStats):
            super().perform(request)


class DoubleTonguedContract(EngineContract):
    carries_audio = False

    def engine(self) -> MediaEngine:
        return DoubleTongued()


async def test_faults_of_an_engine_are_found() -> None:
    contract = DoubleTonguedContract()
    with pytest.raises(AssertionError, match="no outcome of 1 within 0.2 s"):
        await contract.test_statistics()
    with pytest.raises(AssertionError):
        await contract.test_requests_without_outcome_never_fail()
    contract.walk = 1
    with pytest.raises(AssertionError):
        await contract.test_every_request_has_exactly_one_outcome(0)


async def test_an_inbox_keeps_the_order_and_names_what_it_got() -> None:
    inbox = Inbox()
    told: list[FlowInput] = [FlowAlive("a"), FlowClosed("a", "gone"), FlowAlive("b")]
    for each in told:
        inbox(each)
    assert await inbox.next(FlowAlive) == told[0]
    assert await inbox.until(FlowAlive) == told[2]
    assert inbox.rest() == []
    inbox(told[1])
    with pytest.raises(AssertionError, match=r"expected FlowAlive, got FlowClosed\(flow='a', reason='gone'\)"):
        await inbox.next(FlowAlive)
    with pytest.raises(AssertionError, match="no FlowAlive came within"):
        await inbox.next(FlowAlive)
    inbox(told[0])
    assert inbox.rest() == [told[0]]


async def test_a_studio_finds_outcomes_among_other_events() -> None:
    studio = Studio(NullEngine())
    offer = await studio.offer()
    assert audio_of(offer).port
    studio.engine.perform(CreateOffer("mine", "other"))
    assert isinstance(await studio.outcome("mine"), OfferCreated)
    assert await studio.fails(GetStats("stats", "nowhere")) == "unknown-media"
    await studio.engine.close()


def test_an_unused_port_is_unused() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", unused_port()), timeout=1)
