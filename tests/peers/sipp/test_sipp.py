"""Stories with SIPp: what crosses, comes late, comes twice, or never comes. The other side of each is a .xml here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.sip.events import AnswerReceived, End, Established, OfferReceived, Progress, Renegotiated
from offhook.sip.style import Style

if TYPE_CHECKING:
    from tests.peers.sipp.conftest import Line, Play

OFFER = (
    "v=0\r\no=- 42 {} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


def reinvite(line: Line, call: str) -> None:
    line.do(lambda agent, now: agent.reinvite(call, OFFER.format(2), now))


def answer(line: Line, call: str, version: int) -> None:
    line.do(lambda agent, now: agent.answer(call, OFFER.format(version), now))


# We call


async def test_the_200_comes_again_and_late(play: Play) -> None:
    line, sipp = await play("duplicate_200")
    call = line.call()
    await line.expect(Established)
    await line.until_received("X-Late: yes")
    line.hang_up(call)
    assert (await line.over()).end is End.BYE
    await sipp.done()
    assert line.count(Established) == 1 and line.sent("ACK") >= 3


async def test_fork_both_branches_answer(play: Play) -> None:
    line, sipp = await play("fork")
    call = line.call()
    await line.expect(Established)
    await line.until_sent("BYE")
    line.hang_up(call)
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.BYE and not ended.by_remote
    # Two of them, however often each was sent: an answer that is late makes the one that waits come again.
    byes = {message for message in line.trace if message.startswith("-> BYE")}
    assert line.count(Established) == 1 and len(byes) == 2


async def test_fork_the_branch_without_early_media_answers(play: Play) -> None:
    line, sipp = await play("fork_183")
    call = line.call()
    await line.expect(AnswerReceived, early=True)
    await line.expect(AnswerReceived, early=False)
    await line.expect(Established)
    line.hang_up(call)
    await line.over()
    await sipp.done()


@pytest.mark.parametrize("name", ["cancel_crossing_200", "late_200"])
async def test_a_call_that_comes_about_after_we_gave_up(play: Play, name: str) -> None:
    line, sipp = await play(name)
    call = line.call()
    await line.expect(Progress, status=180)
    line.hang_up(call)
    assert (await line.over()).end is End.CANCEL
    await sipp.done()
    assert line.count(Established) == 0


async def test_bye_crosses_our_reinvite(play: Play) -> None:
    line, sipp = await play("bye_crossing_reinvite")
    call = line.call()
    await line.expect(Established)
    reinvite(line, call)
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.BYE and ended.by_remote


async def test_reinvite_crosses_our_bye(play: Play) -> None:
    line, sipp = await play("reinvite_crossing_bye")
    call = line.call()
    await line.expect(Established)
    line.hang_up(call)
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.BYE and not ended.by_remote
    assert line.count(OfferReceived) == 0


async def test_update_both_ways(play: Play) -> None:
    line, sipp = await play("update")
    call = line.call()
    await line.expect(Established)
    assert (await line.expect(OfferReceived)).offer is not None  # the second UPDATE's; the first has none
    answer(line, call, 2)
    assert (await line.expect(OfferReceived)).offer is None  # the re-INVITE wants ours
    answer(line, call, 3)
    await line.expect(AnswerReceived)
    line.do(lambda agent, now: agent.update(call, now, offer=OFFER.format(4)))
    await line.expect(Renegotiated)
    line.hang_up(call)
    await line.over()
    await sipp.done()


async def test_reliable_provisional_responses_to_us(play: Play) -> None:
    """With early media, and an UPDATE before the call is answered."""
    line, sipp = await play("prack_caller", style=Style(reliable=True))
    call = line.call()
    await line.expect(AnswerReceived, early=True)
    await line.expect(OfferReceived)
    answer(line, call, 2)
    await line.expect(Established)
    line.hang_up(call)
    await line.over()
    await sipp.done()
    assert line.sent("PRACK") == 2


# SIPp calls


async def test_reliable_provisional_responses_of_ours(play: Play) -> None:
    line, sipp = await play("prack_called")
    call = await line.called()
    await line.until_sent("SIP/2.0 200")  # to the PRACK
    line.accept(call)
    await line.expect(Established)
    await line.over()
    await sipp.done()
    assert line.sent("SIP/2.0 180") > 1


async def test_cancel(play: Play) -> None:
    line, sipp = await play("cancel")
    await line.called()
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.CANCEL and ended.by_remote


async def test_cancel_crosses_our_200(play: Play) -> None:
    line, sipp = await play("cancel_after_200")
    await line.taken()
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.BYE


async def test_no_ack_ever(play: Play) -> None:
    line, sipp = await play("lost_ack")
    call = await line.called()
    line.accept(call)
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.TIMEOUT and line.count(Established) == 0
    assert line.sent("SIP/2.0 200") > 4


async def test_the_first_ack_is_lost(play: Play) -> None:
    line, sipp = await play("late_ack")
    await line.taken()
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.BYE and ended.by_remote
    assert line.count(Established) == 1 and line.sent("SIP/2.0 200") > 2


async def test_glare(play: Play) -> None:
    line, sipp = await play("glare")
    call = await line.taken()
    reinvite(line, call)
    await line.expect(Renegotiated)
    line.hang_up(call)
    await line.over()
    await sipp.done()
    assert line.count(OfferReceived) == 0 and line.sent("SIP/2.0 491") >= 1


async def test_requests_that_overlap(play: Play) -> None:
    line, sipp = await play("overlapping")
    call = await line.taken()
    await line.expect(OfferReceived)
    await line.until_sent("SIP/2.0 500", 2)
    answer(line, call, 2)
    await line.over()
    await sipp.done()
    assert line.count(OfferReceived) == 1


async def test_the_peer_does_not_refresh_its_session(play: Play) -> None:
    line, sipp = await play("session_timer_theirs", style=Style(refresher=False))
    await line.taken()
    ended = await line.over()
    await sipp.done()
    assert not ended.by_remote and line.sent("UPDATE") == 0


async def test_our_refresh_is_not_answered(play: Play) -> None:
    line, sipp = await play("session_timer_ours")
    await line.taken()
    ended = await line.over()
    await sipp.done()
    assert ended.end is End.LOST
