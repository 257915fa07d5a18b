from __future__ import annotations

import pytest

from offhook.media.description import Flavour, LocalEnd
from offhook.media.engine import Direction
from offhook.media.negotiation import NegotiationError, OfferAnswer
from offhook.media.sdp import Candidate, Session

ALL = ("opus", "PCMU", "PCMA")


def _local(number: int = 1) -> LocalEnd:
    return LocalEnd(
        address="127.0.0.1",
        port=20000 + number,
        candidates=(Candidate("1", 1, "udp", 2130706431, "127.0.0.1", 20000 + number, "host"),),
        ufrag=f"user{number:04d}",
        password=f"password{number:016d}",
        fingerprint=":".join(["AB"] * 32),
        ssrc=number,
        cname="cname",
        stream="stream",
    )


def _agree(
    ours: OfferAnswer,
    theirs: OfferAnswer,
    direction: Direction = Direction.SENDRECV,
    wish: Direction = Direction.SENDRECV,
) -> str:
    """We offer, they answer, we take it; the answer."""
    offer = theirs.read_offer(ours.offer(_local(1), direction))
    answer = theirs.answer(offer, _local(2), theirs.role(offer.remote, offered_by_us=False), wish)
    ours.accept_answer(answer)
    return answer


def test_what_two_agree_on() -> None:
    ours, theirs = OfferAnswer(7, ALL), OfferAnswer(8, ("PCMA", "PCMU"), "freeswitch")
    _agree(ours, theirs)
    for side in (ours, theirs):
        agreement = side.agreement
        assert agreement is not None
        assert (agreement.codec.name, agreement.codec.payload_type) == ("PCMU", 0)  # the offer's order
        assert agreement.dtmf is not None and agreement.dtmf.clock_rate == 8000
        assert agreement.sends and agreement.receives
    assert ours.agreement is not None
    assert ours.role(ours.agreement.remote, offered_by_us=True) == "server"
    assert ours.agreement.remote.ufrag == "user0002" and "password" not in repr(ours.agreement.remote)


@pytest.mark.parametrize(
    ("offered", "wished", "ours", "theirs"),
    [
        (Direction.SENDONLY, Direction.SENDRECV, (True, False), (False, True)),
        (Direction.INACTIVE, Direction.SENDRECV, (False, False), (False, False)),
        (Direction.SENDRECV, Direction.SENDONLY, (False, True), (True, False)),
        (Direction.RECVONLY, Direction.RECVONLY, (False, False), (False, False)),
    ],
)
def test_hold(offered: Direction, wished: Direction, ours: tuple[bool, bool], theirs: tuple[bool, bool]) -> None:
    us, them = OfferAnswer(7, ALL), OfferAnswer(8, ALL, "freeswitch")
    _agree(us, them)
    _agree(us, them, offered, wished)
    assert us.agreement is not None and (us.agreement.sends, us.agreement.receives) == ours
    assert them.agreement is not None and (them.agreement.sends, them.agreement.receives) == theirs


def test_freeswitchs_own_offer_and_answer(freeswitch_offer: str, freeswitch_answer: str) -> None:
    us = OfferAnswer(7, ALL)
    offer = us.read_offer(freeswitch_offer)
    assert (offer.codec.payload_type, offer.dtmf and offer.dtmf.payload_type) == (102, 104)
    assert us.role(offer.remote, offered_by_us=False) == "server"
    answer = Session.parse(us.answer(offer, _local(), "server", Direction.SENDRECV))
    assert answer.media[0].setup == "passive" and answer.media[1].rejected
    # Our next offer keeps its payload types and its two m= lines, though it brings back the other codecs.
    again = Session.parse(us.offer(_local(), Direction.SENDONLY))
    assert [(each.type, each.port == 0) for each in again.media] == [("audio", False), ("video", True)]
    assert [each.payload_type for each in again.media[0].payload_formats][:1] == [102]
    assert {each.payload_type for each in again.media[0].payload_formats if each.clock_rate == 48000} == {102, 104}
    other = OfferAnswer(9, ALL)
    other.offer(_local(), Direction.SENDRECV)
    agreement = other.accept_answer(freeswitch_answer)
    assert (agreement.codec.payload_type, agreement.remote.setup) == (111, "active")
    assert set(agreement.receive) == {111, 0, 8, 110, 126}


def test_an_answer_may_come_twice_also_another_one() -> None:
    us, one, two = OfferAnswer(7, ALL), OfferAnswer(8, ("PCMU",)), OfferAnswer(9, ("PCMA",))
    offer = us.offer(_local(1), Direction.SENDRECV)
    early = one.answer(one.read_offer(offer), _local(2), "client", Direction.SENDRECV)
    first = us.accept_answer(early)
    assert us.accept_answer(early) == first
    second = us.accept_answer(two.answer(two.read_offer(offer), _local(3), "client", Direction.SENDRECV))
    assert first.codec.name == "PCMU" and second.codec.name == "PCMA"
    assert not first.remote.same_transport(second.remote)


def test_rollback_leaves_what_was_agreed() -> None:
    us, them = OfferAnswer(7, ALL), OfferAnswer(8, ALL)
    answer = _agree(us, them)
    before = us.agreement
    us.offer(_local(1), Direction.SENDONLY)
    us.rollback()
    assert us.agreement is before
    assert us.accept_answer(answer).sends  # it is the answer to the first offer still
    fresh = OfferAnswer(7, ALL)
    fresh.offer(_local(), Direction.SENDRECV)
    fresh.rollback()
    with pytest.raises(NegotiationError, match="no offer"):
        fresh.accept_answer(answer)


def test_the_version_counts_changes_alone() -> None:
    us = OfferAnswer(7, ALL)
    first = us.offer(_local(), Direction.SENDRECV)
    assert us.offer(_local(), Direction.SENDRECV) == first
    held = us.offer(_local(), Direction.SENDONLY)
    versions = [Session.parse(text).origin for text in (first, held)]
    assert versions == [("7", "2"), ("7", "3")]


def test_an_unchanged_offer_gets_the_unchanged_answer(freeswitch_offer: str) -> None:
    us = OfferAnswer(7, ALL)
    answers = {us.answer(us.read_offer(freeswitch_offer), _local(), "server", Direction.SENDRECV) for _ in range(3)}
    assert len(answers) == 1


def test_ice_restart_is_seen_in_ufrag_and_fingerprint_not_in_candidates(freeswitch_offer: str) -> None:
    us = OfferAnswer(7, ALL)
    remote = us.read_offer(freeswitch_offer).remote
    moved = us.read_offer(freeswitch_offer.replace("candidate:4300323504", "candidate:99")).remote
    assert remote.same_transport(moved) and remote != moved
    for old, new in (("oKlYwK6iDRGQrVVD", "oKlYwK6iDRGQrVVE"), (":".join(["1B"] * 32), ":".join(["1C"] * 32))):
        assert not us.read_offer(freeswitch_offer.replace(old, new)).remote.same_transport(remote)


@pytest.mark.parametrize(
    ("setup", "ours", "flavour", "role"),
    [
        ("actpass", False, "offhook", "server"),
        ("active", False, "offhook", "server"),
        ("passive", False, "offhook", "client"),
        ("passive", True, "offhook", "client"),
        (None, True, "offhook", "server"),
        ("actpass", False, "freeswitch", "client"),
        ("passive", False, "freeswitch", "client"),
        ("active", False, "freeswitch", "server"),
        ("active", True, "freeswitch", "server"),
    ],
)
def test_dtls_roles(freeswitch_offer: str, setup: str | None, ours: bool, flavour: Flavour, role: str) -> None:
    text = freeswitch_offer.replace("a=setup:actpass\r\n", "" if setup is None else f"a=setup:{setup}\r\n")
    side = OfferAnswer(7, ALL, flavour)
    assert side.role(side.read_offer(text).remote, offered_by_us=ours) == role


def test_video_and_audio_swapped(freeswitch_offer: str) -> None:
    at = freeswitch_offer.index("m=audio")
    mid = freeswitch_offer.index("m=video")
    swapped = freeswitch_offer[:at] + freeswitch_offer[mid:] + freeswitch_offer[at:mid]
    us = OfferAnswer(7, ALL)
    answer = Session.parse(us.answer(us.read_offer(swapped), _local(), "server", Direction.SENDRECV))
    assert [(each.type, each.rejected) for each in answer.media] == [("video", True), ("audio", False)]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("v=0", "x", "bad-sdp"),
        ("a=ice-ufrag:oKlYwK6iDRGQrVVD\r\n", "", "bad-sdp"),
        ("a=ice-pwd:rplkxhBGAnw51cxwKQaTEllH", "a=ice-pwd:short", "bad-sdp"),
        ("a=ice-ufrag:oKlYwK6iDRGQrVVD", "a=ice-ufrag:o:l Yw", "bad-sdp"),
        ("a=fingerprint:sha-256", "a=fingerprint:md5", "bad-sdp"),
        ("m=audio 16412", "m=audio 0", "no-common-codec"),
        ("m=audio", "m=text", "no-common-codec"),
        ("102 0 8 104 101", "9 18", "no-common-codec"),
        ("m=audio 16412 RTP/SAVPF", "m=audio 16412 RTP/AVP", "unsupported"),
        ("a=rtcp-mux\r\n", "", "unsupported"),
    ],
)
def test_offers_that_cannot_be_used(freeswitch_offer: str, old: str, new: str, code: str) -> None:
    us = OfferAnswer(7, ALL)
    assert old in freeswitch_offer
    with pytest.raises(NegotiationError) as caught:
        us.read_offer(freeswitch_offer.replace(old, new))
    assert caught.value.code == code and str(caught.value)
    assert us.agreement is None


def test_an_answer_that_rejects_us(freeswitch_answer: str) -> None:
    us = OfferAnswer(7, ALL)
    us.offer(_local(), Direction.SENDRECV)
    with pytest.raises(NegotiationError) as caught:
        us.accept_answer(freeswitch_answer.replace("m=audio 17962", "m=audio 0"))
    assert caught.value.code == "no-common-codec"


def test_telephone_event_of_another_rate_is_better_than_none(freeswitch_offer: str) -> None:
    us = OfferAnswer(7, ("opus",))
    dtmf = us.read_offer(freeswitch_offer.replace("102 0 8 104 101", "102 0 8 101")).dtmf
    assert dtmf is not None and dtmf.clock_rate == 8000
    assert us.read_offer(freeswitch_offer.replace("102 0 8 104 101", "102 0 8")).dtmf is None


def test_our_own_payload_types_give_way_to_theirs(freeswitch_offer: str) -> None:
    """They use for opus the number that we give to telephone-event: ours must move in the next offer."""
    text = freeswitch_offer.replace("102", "126")
    us = OfferAnswer(7, ALL)
    us.answer(us.read_offer(text), _local(), "server", Direction.SENDRECV)
    formats = Session.parse(us.offer(_local(), Direction.SENDRECV)).media[0].payload_formats
    numbers = [each.payload_type for each in formats]
    assert len(set(numbers)) == len(numbers) and numbers[0] == 126


def test_what_we_reject_does_not_make_our_descriptions_long(freeswitch_offer: str) -> None:
    endless = " ".join(str(number) for number in range(10_000))
    negotiation = OfferAnswer(1, ("opus",))
    offer = negotiation.read_offer(freeswitch_offer.replace("RTP/SAVPF 103", f"RTP/SAVPF {endless}"))
    answer = negotiation.answer(offer, _local(), "server", Direction.SENDRECV)
    assert len(answer) < 2000 and len(negotiation.offer(_local(), Direction.SENDONLY)) < 2000
