"""What every transport and every media engine has to keep, as test classes to inherit from (pytest, pytest-asyncio).

    class TestMyTransport(TransportContract):
        def client(self, deliver): return MyTransport(deliver)
        async def server(self, deliver): ...

The waits in here are for events, with a deadline that only a broken implementation reaches.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from offhook.errors import StateError
from offhook.media.engine import (
    AnswerApplied,
    AnswerCreated,
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    DigitReceived,
    DigitsSent,
    Direction,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    GetStats,
    MediaConnected,
    MediaEngine,
    NoSink,
    OfferCreated,
    Rollback,
    SendDigits,
    SetMuted,
    SetSink,
    SetSource,
    Silence,
    Stats,
)
from offhook.media.sdp import Media, Session, answer_direction
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowOpened,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.transport.base import MAX_MESSAGE, Deliver, FlowPort

DEADLINE = 10.0

Told = TypeVar("Told")


class Inbox:
    """Takes what a port or an engine delivers, in order, and lets a test wait for it."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[object] = asyncio.Queue()

    def __call__(self, told: object) -> None:
        self._waiting.put_nowait(told)

    async def next(self, kind: type[Told]) -> Told:
        """The next thing delivered, which must be of that kind."""
        try:
            async with asyncio.timeout(DEADLINE):
                told = await self._waiting.get()
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} came within {DEADLINE:g} s") from None
        assert isinstance(told, kind), f"expected {kind.__name__}, got {told!r}"
        return told

    async def until(self, kind: type[Told]) -> Told:
        """The next thing of that kind; what comes before it is dropped."""
        while not isinstance(told := await self.next(object), kind):
            pass
        return told

    def rest(self) -> list[object]:
        """All that was delivered and not looked at; it is gone then."""
        told = []
        while not self._waiting.empty():
            told.append(self._waiting.get_nowait())
        return told


def unused_port() -> int:
    """A TCP port of 127.0.0.1 at which nobody listens (just now)."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@dataclass
class Line:
    """A transport, a listening peer, and what each was told."""

    client: FlowPort
    server: FlowPort
    url: str
    told_client: Inbox
    told_server: Inbox

    async def open(self, flow: str = "flow") -> str:
        """Open a flow; gives the name that the server knows it by."""
        self.client.perform(OpenFlow(flow, self.url))
        opened = await self.told_client.next(FlowOpened)
        accepted = await self.told_server.next(FlowOpened)
        assert opened.flow == flow
        assert opened.remote == accepted.local
        assert opened.local == accepted.remote
        assert ":" in opened.local
        return accepted.flow


@pytest.mark.asyncio
class TransportContract:
    """Inherit and give `client`, `server` and, where it is not TCP on 127.0.0.1, `dead_url`.

    A transport that needs SIP's own framing gives `message` and `samples` too; one of datagrams `connected` and
    `largest`.
    """

    connected = True
    """Whether an end learns that the other end has closed the flow. Of a datagram's it learns when nobody listens."""

    largest = MAX_MESSAGE
    """Octets of the longest message that can be sent."""

    samples: tuple[bytes, ...] = (
        b"OPTIONS sip:a@example.org SIP/2.0\r\nContent-Length: 0\r\n\r\n",
        "MESSAGE sip:a@example.org SIP/2.0\r\nContent-Length: 9\r\n\r\nGrüße ☎".encode(),
        b"MESSAGE sip:a@example.org SIP/2.0\r\nContent-Length: 6\r\n\r\n\xff\xfe\x00\x01\r\n",
        b"\r\n\r\nSIP/2.0 200 OK\r\n\r\n",
        b"x",
    )
    """Messages that have to arrive octet for octet."""

    def message(self, body: bytes) -> bytes:
        """A message that ends in `body`; what is before it has the same length for every body."""
        return body

    def client(self, deliver: Deliver) -> FlowPort:
        """The transport to test."""
        raise NotImplementedError

    async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
        """A peer that listens, and the URL to reach it by."""
        raise NotImplementedError

    def dead_url(self, url: str) -> str:
        """A URL like that one, where nobody listens."""
        return f"{url.rpartition(':')[0]}:{unused_port()}"

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """Both ends; closed afterwards, and it is an error if that leaves a task behind."""
        before = asyncio.all_tasks()
        told_client, told_server = Inbox(), Inbox()
        server, url = await self.server(told_server)
        line = Line(self.client(told_client), server, url, told_client, told_server)
        try:
            yield line
        finally:
            await line.client.close()
            await line.server.close()
        assert asyncio.all_tasks() == before

    async def test_messages_pass_both_ways_octet_for_octet(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            for message in self.samples:
                line.client.perform(Send("flow", message))
                line.server.perform(Send(flow, message))
            for message in self.samples:
                assert (await line.told_server.next(FlowReceived)) == FlowReceived(flow, message)
                assert (await line.told_client.next(FlowReceived)) == FlowReceived("flow", message)

    async def test_the_order_is_kept(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            for number in range(300):
                size = 5000 if number % 10 == 0 else 1
                body = b" ".join([b"%d" % number] * (size if number < 100 else 1))
                line.client.perform(Send("flow", self.message(body)))
                line.server.perform(Send(flow, self.message(b"%d" % number)))
                if number % 25 == 24:  # let the peer take them, so that a bound on what may wait is not met
                    for expected in range(number - 24, number + 1):
                        there = await line.told_server.next(FlowReceived)
                        back = await line.told_client.next(FlowReceived)
                        assert there.data.split()[-1] == b"%d" % expected
                        assert back.data == self.message(b"%d" % expected)

    @pytest.mark.parametrize("size", [125, 126, 127, 20_000, 65_534, MAX_MESSAGE])
    async def test_large_messages_pass_whole(self, size: int) -> None:
        async with self.line() as line:
            flow = await line.open()
            body = bytes(range(32, 127)) * (size // 95 + 1)
            message = self.message(body[: min(size, self.largest) - len(self.message(b""))])
            line.client.perform(Send("flow", message))
            assert (await line.told_server.next(FlowReceived)).data == message
            line.server.perform(Send(flow, message))
            assert (await line.told_client.next(FlowReceived)).data == message

    async def test_a_message_over_the_limit_is_not_sent_and_costs_nothing_else(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.client.perform(Send("flow", b"x" * (MAX_MESSAGE + 1)))
            line.client.perform(Send("flow", self.message(b"after it")))
            assert (await line.told_server.next(FlowReceived)).data == self.message(b"after it")
            line.server.perform(Send(flow, self.message(b"and back")))
            assert (await line.told_client.next(FlowReceived)).data == self.message(b"and back")

    async def test_keep_alives_do_not_come_up(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.client.perform(Send("flow", b"\r\n\r\n"))
            line.server.perform(Send(flow, b"\r\n"))
            line.client.perform(Send("flow", self.message(b"a message")))
            line.server.perform(Send(flow, self.message(b"another")))
            assert (await line.told_server.next(FlowReceived)).data == self.message(b"a message")
            assert (await line.told_client.next(FlowReceived)).data == self.message(b"another")

    async def test_a_probe_is_answered(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.client.perform(Probe("flow"))
            assert await line.told_client.next(FlowAlive) == FlowAlive("flow")
            line.server.perform(Probe(flow))
            assert await line.told_server.next(FlowAlive) == FlowAlive(flow)

    async def test_closing_tells_both_sides_once_and_sends_what_waits(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            for number in range(50):
                line.client.perform(Send("flow", self.message(b"%d" % number)))
            line.client.perform(CloseFlow("flow"))
            line.client.perform(CloseFlow("flow"))
            line.client.perform(Send("flow", self.message(b"too late")))
            for number in range(50):
                assert (await line.told_server.next(FlowReceived)).data == self.message(b"%d" % number)
            closed = await line.told_client.next(FlowClosed)
            assert closed.flow == "flow"
            assert closed.reason
            if self.connected:
                assert (await line.told_server.next(FlowClosed)).flow == flow
            for output in (Send("flow", self.message(b"gone")), Probe("flow"), CloseFlow("flow")):
                line.client.perform(output)
            for other in (Send(flow, self.message(b"gone")), Probe(flow), CloseFlow(flow)):
                line.server.perform(other)
            if not self.connected:
                assert (await line.told_server.next(FlowClosed)).flow == flow
            assert line.told_client.rest() == []
            await line.open()  # the name is free again, and nothing else was told meanwhile

    async def test_the_peer_closes(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.server.perform(Send(flow, self.message(b"last words")))
            line.server.perform(CloseFlow(flow))
            assert (await line.told_client.next(FlowReceived)).data == self.message(b"last words")
            assert (await line.told_server.next(FlowClosed)).flow == flow
            if self.connected:
                closed = await line.told_client.next(FlowClosed)
                assert closed.flow == "flow"
                assert closed.reason
                await line.open()

    async def test_nobody_listens(self) -> None:
        async with self.line() as line:
            line.client.perform(OpenFlow("flow", self.dead_url(line.url)))
            failed = await line.told_client.next(FlowFailed)
            assert failed.flow == "flow"
            assert failed.reason
            line.client.perform(Send("flow", self.message(b"gone")))
            line.client.perform(CloseFlow("flow"))
            await line.open()

    async def test_a_wrong_url_fails_with_a_reason(self) -> None:
        async with self.line() as line:
            for url in ("", "nonsense", "http://127.0.0.1:1", "ws://", "ws://[::1", "ws://127.0.0.1:99999999"):
                line.client.perform(OpenFlow("flow", url))
                assert (await line.told_client.next(FlowFailed)).reason

    async def test_closed_before_it_was_open(self) -> None:
        async with self.line() as line:
            line.client.perform(OpenFlow("flow", line.url))
            line.client.perform(CloseFlow("flow"))
            assert (await line.told_client.next(FlowFailed)).flow == "flow"
            line.client.perform(OpenFlow("other", line.url))
            assert (await line.told_client.next(FlowOpened)).flow == "other"

    async def test_a_name_is_used_once_at_a_time(self) -> None:
        async with self.line() as line:
            line.client.perform(OpenFlow("flow", line.url))
            with pytest.raises(StateError):
                line.client.perform(OpenFlow("flow", line.url))
            await line.told_client.next(FlowOpened)
            with pytest.raises(StateError):
                line.client.perform(OpenFlow("flow", line.url))

    async def test_flows_do_not_mix(self) -> None:
        async with self.line() as line:
            flows = [f"flow {number}" for number in range(40)]
            for flow in flows:
                line.client.perform(OpenFlow(flow, line.url))
            assert {(await line.told_client.next(FlowOpened)).flow for _ in flows} == set(flows)
            accepted = [(await line.told_server.next(FlowOpened)).flow for _ in flows]
            assert len(set(accepted)) == len(flows)
            for flow in flows:
                line.client.perform(Send(flow, self.message(flow.encode())))
            for _ in flows:
                message = await line.told_server.next(FlowReceived)
                line.server.perform(Send(message.flow, message.data))
            for _ in flows:
                echo = await line.told_client.next(FlowReceived)
                assert echo.data == self.message(echo.flow.encode())

    async def test_closing_the_transport_ends_every_flow_and_tells_it(self) -> None:
        async with self.line() as line:
            flow = await line.open("open")
            line.client.perform(OpenFlow("opening", line.url))
            await line.client.close()
            told = line.told_client.rest()
            assert {type(one) for one in told} == {FlowClosed, FlowFailed}
            assert len(told) == 2
            if self.connected:
                assert (await line.told_server.until(FlowClosed)).flow == flow
            await line.client.close()
            assert line.told_client.rest() == []
            with pytest.raises(StateError):
                line.client.perform(OpenFlow("later", line.url))

    async def test_the_listening_end_closes(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            await line.server.close()
            assert [type(one) for one in line.told_server.rest()] == [FlowClosed]
            if not self.connected:
                line.client.perform(Send("flow", self.message(b"Is anybody there?")))
            assert (await line.told_client.next(FlowClosed)).flow == "flow"
            line.server.perform(Send(flow, self.message(b"gone")))
            assert line.told_server.rest() == []


class Studio:
    """An engine and all that it told; outcomes can be waited for."""

    def __init__(self, engine: MediaEngine) -> None:
        self.engine = engine
        self.told: list[EngineEvent] = []
        self._news = asyncio.Event()
        self._asked = 0
        engine.start(self._take)

    def _take(self, event: EngineEvent) -> None:
        self.told.append(event)
        self._news.set()

    async def until(self, found: Callable[[EngineEvent], bool], what: str) -> EngineEvent:
        """The first event of that kind that was or will be told."""
        seen = 0
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    for event in self.told[seen:]:
                        if found(event):
                            return event
                    seen = len(self.told)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {DEADLINE:g} s; told was {self.told!r}") from None

    def id(self) -> str:
        """An id for the next request."""
        self._asked += 1
        return f"request {self._asked}"

    async def ask(self, request: CreateOffer | CreateAnswer | ApplyAnswer | SendDigits | GetStats) -> EngineEvent:
        """Have a request done; gives its outcome."""
        self.engine.perform(request)
        event = await self.outcome(request.id)
        assert event.media == request.media
        return event

    async def outcome(self, id: str) -> EngineEvent:
        """The outcome of the request with that id."""
        return await self.until(lambda event: outcome_of(event) == id, f"outcome of {id}")

    async def offer(self, media: str = "call", direction: Direction = Direction.SENDRECV) -> str:
        """Make an offer."""
        event = await self.ask(CreateOffer(self.id(), media, direction))
        assert isinstance(event, OfferCreated), event
        return event.sdp

    async def answer(self, offer: str, media: str = "call", direction: Direction = Direction.SENDRECV) -> str:
        """Answer an offer."""
        event = await self.ask(CreateAnswer(self.id(), media, offer, direction))
        assert isinstance(event, AnswerCreated), event
        return event.sdp

    async def apply(self, answer: str, media: str = "call") -> None:
        """Take the answer to our offer."""
        event = await self.ask(ApplyAnswer(self.id(), media, answer))
        assert isinstance(event, AnswerApplied), event

    async def connected(self, media: str = "call") -> None:
        """Wait until audio can pass."""
        await self.until(lambda event: event == MediaConnected(media), "MediaConnected")

    async def fails(self, request: CreateAnswer | ApplyAnswer | SendDigits | GetStats) -> str:
        """Have a request done that must fail; gives the code."""
        event = await self.ask(request)
        assert isinstance(event, EngineFailed), event
        assert event.detail
        return event.code


async def negotiate(here: Studio, there: Studio, media: str = "call") -> None:
    """An offer and its answer, up to a connection at both ends."""
    await here.apply(await there.answer(await here.offer(media), media), media)
    await here.connected(media)
    await there.connected(media)


def outcome_of(event: EngineEvent) -> str | None:
    """The id of the request that ended with this event, None where it is no outcome."""
    return getattr(event, "id", None)


def audio_of(sdp: str) -> Media:
    """The audio section of a description that must be a sane one."""
    session = Session.parse(sdp)
    assert session.origin is not None
    audio = session.audio
    assert audio is not None
    assert not audio.rejected
    return audio


@pytest.mark.asyncio
class EngineContract:
    """Inherit and give `engine`. `carries_audio`: digits sent by one engine reach another."""

    carries_audio = True
    walk = 300
    """Steps of the random walk."""

    def engine(self) -> MediaEngine:
        """The engine to test, not started."""
        raise NotImplementedError

    @asynccontextmanager
    async def studios(self) -> AsyncIterator[tuple[Studio, Studio]]:
        """Two engines; closed afterwards, and it is an error if that leaves a task behind."""
        before = asyncio.all_tasks()
        here, there = Studio(self.engine()), Studio(self.engine())
        try:
            yield here, there
        finally:
            await here.engine.close()
            await there.engine.close()
        assert asyncio.all_tasks() == before

    async def test_offer_and_answer_connect_both_sides(self) -> None:
        async with self.studios() as (here, there):
            offer = await here.offer()
            answer = await there.answer(offer)
            await here.apply(answer)
            await here.connected()
            await there.connected()
            offered, answered = audio_of(offer), audio_of(answer)
            assert set(answered.formats) <= set(offered.formats)
            assert offered.protocol == answered.protocol
            assert offered.direction == answered.direction == Direction.SENDRECV

    @pytest.mark.parametrize("wanted", list(Direction))
    @pytest.mark.parametrize("offered", list(Direction))
    async def test_the_answer_is_cut_down_to_what_the_offer_allows(self, offered: Direction, wanted: Direction) -> None:
        async with self.studios() as (here, there):
            offer = await here.offer(direction=offered)
            assert audio_of(offer).direction == offered
            answer = await there.answer(offer, direction=wanted)
            assert audio_of(answer).direction == answer_direction(offered, wanted)

    async def test_hold_and_retrieve_keep_the_session(self) -> None:
        async with self.studios() as (here, there):
            await negotiate(here, there)
            origins = []
            for direction in (Direction.SENDONLY, Direction.SENDRECV):
                offer = await here.offer(direction=direction)
                answer = await there.answer(offer)
                await here.apply(answer)
                assert audio_of(answer).direction == answer_direction(direction, Direction.SENDRECV)
                origins.append(Session.parse(offer).origin)
            assert origins[0] is not None
            assert origins[1] is not None
            assert origins[0][0] == origins[1][0], "the session of the o= line stays (RFC 3264 §8)"
            assert origins[0][1] != origins[1][1], "its version rises"
            again = await there.offer()  # and the other side may offer as well
            await there.apply(await here.answer(again))

    async def test_a_provisional_answer_and_then_the_final_one(self) -> None:
        async with self.studios() as (here, there):
            answer = await there.answer(await here.offer())
            await here.apply(answer)
            await here.connected()
            await here.apply(await there.answer(await here.offer()))

    async def test_after_a_rollback_either_side_may_offer(self) -> None:
        async with self.studios() as (here, there):
            await negotiate(here, there)
            await here.offer(direction=Direction.SENDONLY)
            here.engine.perform(Rollback("call"))
            await there.apply(await here.answer(await there.offer()))
            await here.offer()
            here.engine.perform(Rollback("call"))
            await here.apply(await there.answer(await here.offer()))

    async def test_an_unknown_media_session_is_named_as_such(self) -> None:
        async with self.studios() as (here, there):
            answer = await there.answer(await here.offer())
            assert await here.fails(ApplyAnswer("1", "unknown", answer)) == "unknown-media"
            assert await here.fails(SendDigits("2", "unknown", "1")) == "unknown-media"
            assert await here.fails(GetStats("3", "unknown")) == "unknown-media"

    async def test_requests_without_outcome_never_fail(self) -> None:
        async with self.studios() as (here, _):
            for media in ("unknown", "call"):
                here.engine.perform(Rollback(media))
                here.engine.perform(SetMuted(media, True))
                here.engine.perform(SetSource(media, Silence()))
                here.engine.perform(SetSink(media, NoSink()))
                here.engine.perform(CloseMedia(media))
            await here.offer()
            assert [type(event) for event in here.told] == [OfferCreated]

    @pytest.mark.parametrize(
        "rubbish",
        [
            "",
            "rubbish",
            "v=0",
            "v=0\r\nm=audio",
            "\x00\xff",
            "m=audio 1 RTP/AVP 0\r\n" * 50,
            "v=0\r\n" + "a=x\r\n" * 9999,
        ],
        ids=["empty", "text", "head", "half", "binary", "sections", "long"],
    )
    async def test_rubbish_is_refused(self, rubbish: str) -> None:
        refusals = ("bad-sdp", "no-common-codec", "unsupported")
        async with self.studios() as (here, there):
            assert await there.fails(CreateAnswer("1", "new", rubbish)) in refusals
            assert await there.fails(GetStats("2", "new")) == "unknown-media"
            offer = await here.offer()
            assert await here.fails(ApplyAnswer("3", "call", rubbish)) in refusals
            await here.apply(await there.answer(offer))  # it did no harm
            await here.connected()
            assert await here.fails(CreateAnswer("4", "call", rubbish)) in refusals
            await here.apply(await there.answer(await here.offer()))

    async def test_without_a_common_codec_there_is_no_answer(self) -> None:
        async with self.studios() as (here, there):
            offer = Session.parse(await here.offer())
            audio = offer.audio
            assert audio is not None
            audio.formats = ["18"]  # G.729
            audio.remove("rtpmap", "fmtp")
            assert await there.fails(CreateAnswer("1", "call", str(offer))) == "no-common-codec"

    async def test_an_answer_without_an_offer_is_refused(self) -> None:
        async with self.studios() as (here, there):
            offer = await here.offer()
            answer = await there.answer(offer)
            assert await there.fails(ApplyAnswer("1", "call", answer))

    async def test_digits(self) -> None:
        async with self.studios() as (here, there):
            await negotiate(here, there)
            sent = await here.ask(SendDigits("1", "call", "1A#", duration_ms=60, gap_ms=40))
            assert isinstance(sent, DigitsSent)
            assert await here.fails(SendDigits("2", "call", "x"))
            assert await here.fails(SendDigits("3", "call", ""))
            if self.carries_audio:
                await there.until(lambda event: isinstance(event, DigitReceived) and event.digit == "#", "last digit")
                assert [event.digit for event in there.told if isinstance(event, DigitReceived)] == ["1", "A", "#"]

    async def test_statistics(self) -> None:
        async with self.studios() as (here, there):
            await negotiate(here, there)
            stats = await here.ask(GetStats("1", "call"))
            assert isinstance(stats, Stats)
            assert stats.audio.codec

    async def test_closing_a_session_ends_what_is_under_way(self) -> None:
        async with self.studios() as (here, there):
            await negotiate(here, there)
            here.engine.perform(SendDigits("long", "call", "1" * 20))
            here.engine.perform(CloseMedia("call"))
            ended = await here.outcome("long")
            assert isinstance(ended, DigitsSent) or (isinstance(ended, EngineFailed) and ended.code == "closed")
            assert await here.fails(GetStats("after", "call")) == "unknown-media"
            here.engine.perform(CloseMedia("call"))
            await here.offer()  # the name is free again

    async def test_sessions_do_not_mix(self) -> None:
        async with self.studios() as (here, there):
            medias = [f"call {number}" for number in range(5)]
            await asyncio.gather(*(negotiate(here, there, media) for media in medias))
            here.engine.perform(CloseMedia(medias[0]))
            assert isinstance(await here.ask(GetStats("1", medias[1])), Stats)
            assert await here.fails(GetStats("2", medias[0])) == "unknown-media"

    async def test_after_close_nothing_is_told(self) -> None:
        async with self.studios() as (here, there):
            await negotiate(here, there)
            here.engine.perform(SendDigits("long", "call", "1" * 20))
            await here.engine.close()
            told = len(here.told)
            here.engine.perform(GetStats("late", "call"))
            here.engine.perform(CreateOffer("later", "call"))
            await here.engine.close()
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(here.told) == told

    @pytest.mark.parametrize("seed", range(3))
    async def test_every_request_has_exactly_one_outcome(self, seed: int) -> None:
        chance = random.Random(seed)
        async with self.studios() as (here, there):
            spare = [await there.offer("spare"), "rubbish"]
            await negotiate(here, there, "a")
            spare += [event.sdp for event in there.told if isinstance(event, AnswerCreated)]
            asked = []
            for number in range(self.walk):
                request = any_request(chance, f"walk {number}", spare)
                if outcome := getattr(request, "id", None):
                    asked.append(outcome)
                here.engine.perform(request)
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
            for outcome in asked:
                await here.outcome(outcome)
            outcomes = [outcome_of(event) for event in here.told]
            assert sorted(filter(None, outcomes)) == sorted([*asked, "request 1", "request 2"])


def any_request(chance: random.Random, id: str, texts: list[str]) -> EngineRequest:
    """Some request to one of three media sessions, sensible or not."""
    media, text = chance.choice("abc"), chance.choice(texts)
    made: list[EngineRequest] = [
        CreateOffer(id, media, chance.choice(list(Direction))),
        CreateAnswer(id, media, text, chance.choice(list(Direction))),
        ApplyAnswer(id, media, text),
        Rollback(media),
        SetMuted(media, chance.random() < 0.5),
        SetSource(media, Silence()),
        SetSink(media, NoSink()),
        SendDigits(id, media, chance.choice(["1", "*#", "x", ""]), duration_ms=40, gap_ms=20),
        GetStats(id, media),
        CloseMedia(media),
    ]
    return chance.choice(made)
