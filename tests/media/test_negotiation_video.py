"""What offers and answers say of video, on paper alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from offhook.media.description import Flavour, LocalEnd
from offhook.media.engine import Direction
from offhook.media.negotiation import OfferAnswer, VideoWish
from offhook.media.sdp import Candidate, Media, Session

BOTH, NONE = Direction.SENDRECV, Direction.INACTIVE


def _end(number: int) -> LocalEnd:
    return LocalEnd(
        address="127.0.0.1",
        port=20000 + number,
        candidates=(Candidate("1", 1, "udp", 2130706431, "127.0.0.1", 20000 + number, "host"),),
        ufrag=f"ufrag{number}",
        password=f"{number:024d}",
        fingerprint=":".join(["AB"] * 32),
        ssrc=number,
        cname="cname",
        stream="stream",
    )


AUDIO, VIDEO = _end(1), _end(2)


def _shared() -> LocalEnd:
    """Video on the transport of the audio."""
    return replace(AUDIO, ssrc=VIDEO.ssrc)


def _wish(direction: Direction = BOTH) -> VideoWish:
    return VideoWish(VIDEO, direction, "server")


def _negotiation(flavour: Flavour = "offhook") -> OfferAnswer:
    return OfferAnswer(7, ("opus", "PCMU"), flavour)


def _media(text: str) -> list[Media]:
    return Session.parse(text).media


def _taken(negotiation: OfferAnswer, offer: str, wish: VideoWish | None) -> str:
    read = negotiation.read_offer(offer)
    return negotiation.answer(read, AUDIO, "server", BOTH, wish)


def test_the_video_of_freeswitch_is_taken_with_its_numbers(freeswitch_offer: str) -> None:
    ours = _negotiation()
    audio, video = _media(_taken(ours, freeswitch_offer, _wish()))
    assert (video.type, video.port, video.protocol, video.formats) == ("video", VIDEO.port, "RTP/SAVPF", ["103"])
    assert (audio.port, video.setup, video.ice_ufrag) == (AUDIO.port, "passive", VIDEO.ufrag)
    assert ours.agreement is not None
    agreed = ours.agreement.video
    assert agreed is not None and agreed.codec.payload_type == 103 and agreed.remote.ufrag == "EfVGpOP3ZHX8UvMi"
    assert (agreed.sends, agreed.receives, agreed.pli, agreed.fir) == (True, True, False, True)
    again = _media(ours.offer(AUDIO, BOTH, _wish()))[1]
    assert again.formats == ["103"]  # a payload type stays what it is (RFC 3264 §8.3.2)


@pytest.mark.parametrize("flavour", ["offhook", "freeswitch"])
def test_video_keeps_its_place_for_the_whole_session(flavour: Flavour, freeswitch_answer: str) -> None:
    ours, theirs = _negotiation(flavour), _negotiation("freeswitch")
    first = ours.offer(AUDIO, BOTH)
    assert len(_media(first)) == 1
    ours.accept_answer(_taken(theirs, first, None))
    added = ours.offer(AUDIO, BOTH, _wish())
    assert [(each.type, each.rejected) for each in _media(added)] == [("audio", False), ("video", False)]
    agreement = ours.accept_answer(_taken(theirs, added, None))  # refused
    assert agreement.video is None
    quiet = ours.offer(AUDIO, BOTH)
    assert [(each.type, each.rejected) for each in _media(quiet)] == [("audio", False), ("video", True)]
    ours.accept_answer(_taken(theirs, quiet, _wish()))
    anew = ours.offer(AUDIO, BOTH, _wish(Direction.RECVONLY))
    assert [(each.type, each.direction) for each in _media(anew)] == [("audio", BOTH), ("video", Direction.RECVONLY)]
    agreement = ours.accept_answer(_taken(theirs, anew, _wish()))
    assert agreement.video is not None and agreement.video.direction is Direction.RECVONLY
    assert theirs.agreement and theirs.agreement.video and theirs.agreement.video.direction is Direction.SENDONLY
    assert ours.accept_answer(freeswitch_answer).video is None  # an answer with one m= line too few


def test_wherever_the_video_stands(freeswitch_offer: str) -> None:
    head, audio, video = freeswitch_offer.partition("m=audio")[0], *freeswitch_offer.split("m=")[1:]
    unusable = "video 9 RTP/SAVPF 99\r\na=rtpmap:99 H264/90000\r\n"
    offer = f"{head}m={unusable}m={video}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nm={audio}"
    ours = _negotiation()
    answer = _media(_taken(ours, offer, _wish()))
    assert [(each.type, each.port) for each in answer] == [
        ("video", 0),
        ("video", VIDEO.port),
        ("application", 0),
        ("audio", AUDIO.port),
    ]
    assert Session.parse(_taken(ours, offer, _wish())).video == answer[1]
    ours.offer(AUDIO, BOTH)
    assert [each.port for each in _media(ours.offer(AUDIO, BOTH))] == [0, 0, 0, AUDIO.port]
    assert _media(ours.offer(AUDIO, BOTH, _wish(NONE)))[0].direction is NONE  # in the first line that is free


def test_a_section_that_waits_for_its_bundle_is_not_taken(freeswitch_offer: str) -> None:
    offer = freeswitch_offer.replace("m=video 20302", "m=video 0") + "a=bundle-only\r\n"
    assert _media(_taken(_negotiation(), offer, _wish()))[1].rejected


def _bundled(offer: str) -> str:
    """As a browser, or an Asterisk with webrtc=yes, offers it: one port, one transport, no candidates for video."""
    head, audio, video = offer.split("m=")
    video = "".join(
        line for line in video.splitlines(keepends=True) if not line.startswith(("a=ice", "a=candidate", "a=end"))
    )
    video = video.replace("video 20302", "video 16412")
    return f"{head}a=group:BUNDLE sound sight\r\nm={audio}a=mid:sound\r\nm={video}a=mid:sight\r\n"


@pytest.mark.parametrize("bundle_only", [False, True])
def test_what_is_offered_on_one_transport_is_taken_on_it(freeswitch_offer: str, bundle_only: bool) -> None:
    ours = _negotiation()
    offer = _bundled(freeswitch_offer)
    if bundle_only:
        offer = offer.replace("video 16412", "video 0") + "a=bundle-only\r\n"
    text = _taken(ours, offer, VideoWish(_shared(), BOTH, "server"))
    audio, video = _media(text)
    assert Session.parse(text).attribute("group") == "BUNDLE sound sight"
    assert (video.port, video.mid, video.ice_ufrag, video.ssrc) == (AUDIO.port, "sight", AUDIO.ufrag, VIDEO.ssrc)
    assert (audio.port, audio.mid) == (AUDIO.port, "sound")
    assert ours.bundled and ours.agreement and ours.agreement.video
    assert ours.agreement.video.remote == ours.agreement.remote
    text = ours.offer(AUDIO, BOTH, VideoWish(_shared(), NONE))
    assert Session.parse(text).attribute("group") == "BUNDLE sound sight"
    assert [(each.mid, each.port) for each in _media(text)] == [("sound", AUDIO.port), ("sight", AUDIO.port)]
    assert ours.accept_answer(_bundled(freeswitch_offer)).video is not None
    ours.offer(AUDIO, BOTH, VideoWish(_shared(), BOTH))
    assert ours.accept_answer(freeswitch_offer).video is None  # there is no other transport to take it on


def test_a_bundle_is_not_made_where_it_is_not_needed(freeswitch_offer: str) -> None:
    ours = _negotiation()
    offer = _bundled(freeswitch_offer).replace("video 16412", "video 20302")
    assert _media(_taken(ours, offer, _wish()))[1].rejected  # a port of its own, and no ICE for it
    offer += "a=ice-ufrag:EfVGpOP3ZHX8UvMi\r\na=ice-pwd:khhoP2cAAAAAAAAAAAAAAAAA\r\n"
    text = _taken(ours, offer, _wish())
    assert _media(text)[1].port == VIDEO.port and Session.parse(text).attribute("group") == "BUNDLE sound"
    assert not ours.bundled


@pytest.mark.parametrize(
    ("flavour", "change"),
    [("freeswitch", ("", "")), ("offhook", ("103", "101")), ("offhook", ("video 16412 RTP", "video 16412 UDP/RTP"))],
)
def test_a_bundle_that_cannot_be_taken_costs_the_video_alone(
    flavour: Flavour, change: tuple[str, str], freeswitch_offer: str
) -> None:
    """FreeSWITCH knows none; one payload type for two codecs tells nothing; another profile."""
    audio, video = _media(_taken(_negotiation(flavour), _bundled(freeswitch_offer).replace(*change), _wish()))
    assert video.rejected and not audio.rejected


def test_feedback_that_is_offered_for_any_format(freeswitch_offer: str) -> None:
    ours = _negotiation()
    _taken(ours, freeswitch_offer + "a=rtcp-fb:* nack pli\r\na=rtcp-fb\r\na=rtcp-fb:103\r\n", _wish())
    assert ours.agreement and ours.agreement.video and ours.agreement.video.pli
