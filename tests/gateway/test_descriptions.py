"""Descriptions of pages: one session to the far side, and what stands in for a page that is gone."""

from __future__ import annotations

import pytest

from offhook.errors import ParseError, RemoteError
from offhook.gateway.descriptions import Descriptions
from offhook.media.engine import Direction
from offhook.media.sdp import Session

OFFER = (
    "v=0\r\no=- 777 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=sendrecv\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\n"
)
ANSWER = OFFER.replace("a=setup:actpass", "a=setup:active")


def test_all_descriptions_are_of_one_session() -> None:
    one = Descriptions(5)
    first = one.sent(OFFER)
    other = one.sent(OFFER.replace("777 2", "888 2"))
    assert Session.parse(first).origin == ("5", "1") and Session.parse(other).origin == ("5", "2")
    assert first.replace("5 1", "777 2") == OFFER
    assert one.layout == ("audio", "video") and Descriptions(1).layout == ()
    with pytest.raises(ParseError):
        one.sent("rubbish")


def test_a_hold_without_a_page() -> None:
    one = Descriptions(5)
    one.sent(ANSWER)
    held = Session.parse(one.offer(Direction.SENDONLY))
    assert [media.direction for media in held.media] == [Direction.SENDONLY, Direction.INACTIVE]
    assert [media.setup for media in held.media] == ["actpass", "actpass"] and held.origin == ("5", "2")
    one.refused()
    assert Session.parse(one.sdp).origin == ("5", "1")
    assert Session.parse(one.sent(ANSWER)).origin == ("5", "3"), "a number is used once"


@pytest.mark.parametrize(("agreed", "ours"), [("active", "passive"), ("passive", "active")])
def test_a_refresh_is_answered_without_a_page(agreed: str, ours: str) -> None:
    one = Descriptions(5)
    one.sent(OFFER)
    one.answered(OFFER.replace("actpass", agreed).replace("m=video 9", "m=video 0"))
    answer = Session.parse(one.answer(OFFER.replace("m=video 9", "m=video 0"), Direction.INACTIVE))
    assert answer.media[0].setup == ours and answer.media[0].direction is Direction.INACTIVE
    assert answer.media[1].rejected
    with pytest.raises(RemoteError):
        one.answer(OFFER.partition("m=video")[0], Direction.INACTIVE)
