"""What every media engine has to keep: one outcome for each request, and descriptions that fit each other."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

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
from offhook.testing.contracts.inbox import DEADLINE
from offhook.testing.record import Record


class Studio:
    """An engine and all that it told; outcomes can be waited for."""

    def __init__(self, engine: MediaEngine) -> None:
        self.engine = engine
        self.told: Record[EngineEvent] = Record()
        self._asked = 0
        engine.start(self.told.append)

    async def until(self, found: Callable[[EngineEvent], bool], what: str) -> EngineEvent:
        """The first event of that kind that was or will be told."""
        return await self.told.first(found, what, DEADLINE)

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
class EngineContract(ABC):
    """Inherit and give `engine`. `carries_audio`: digits sent by one engine reach another."""

    carries_audio = True
    walk = 300
    """Steps of the random walk."""

    @abstractmethod
    def engine(self) -> MediaEngine:
        """The engine to test, not started."""

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
