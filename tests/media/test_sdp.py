from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import ParseError
from offhook.media.engine import Direction
from offhook.media.sdp import Candidate, Session, answer_direction, direction_of

_TEXT = st.text(st.characters(blacklist_characters="\r\n\x00", blacklist_categories=["Cs"]), max_size=40)
_LINES = st.lists(st.tuples(st.sampled_from("abcikoprstuz"), _TEXT), max_size=12)
_MEDIA = st.tuples(st.sampled_from(["audio", "video"]), st.integers(0, 65535), _LINES)


@given(_LINES, st.lists(_MEDIA, max_size=3))
def test_whatever_is_written_is_read_back(
    lines: list[tuple[str, str]], media: list[tuple[str, int, list[tuple[str, str]]]]
) -> None:
    text = "v=0\r\n" + "".join(f"{kind}={value}\r\n" for kind, value in lines)
    for kind, port, own in media:
        text += f"m={kind} {port} RTP/SAVPF 0\r\n" + "".join(f"{line}={value}\r\n" for line, value in own)
    session = Session.parse(text)
    assert str(session) == text
    assert Session.parse(str(session)) == session
    for section in session.media:  # no view may raise, whatever the lines say
        assert section.direction in Direction
        assert isinstance(section.candidates, list) and isinstance(section.payload_formats, list)
        assert isinstance(section.fingerprints, list)
        assert (section.ssrc, section.ptime, section.setup, section.mid, section.ice_ufrag) is not None


@given(st.text(max_size=300))
def test_rubbish_is_a_parse_error_and_nothing_else(text: str) -> None:
    try:
        Session.parse(text)
    except ParseError as error:
        assert error.status == 488


def test_views_of_what_freeswitch_offers(freeswitch_offer: str) -> None:
    session = Session.parse(freeswitch_offer)
    assert str(session) == freeswitch_offer
    audio, video = session.media
    assert session.audio is audio
    assert (audio.type, audio.port, audio.protocol, audio.formats) == (
        "audio",
        16412,
        "RTP/SAVPF",
        "102 0 8 104 101".split(),
    )
    names = [(each.payload_type, each.name, each.clock_rate, each.channels) for each in audio.payload_formats]
    assert names[0] == (102, "opus", 48000, 2) and names[3] == (104, "telephone-event", 48000, 1)
    assert (audio.payload_formats[0].parameters or "").startswith("useinbandfec=1")
    assert audio.direction is Direction.SENDRECV
    assert [each.component for each in audio.candidates] == [1, 2]
    assert (audio.ice_ufrag, audio.setup, audio.mid, audio.rtcp_mux) == ("oKlYwK6iDRGQrVVD", "actpass", None, True)
    assert (audio.ptime, audio.ssrc) == (20, 990428938)
    assert audio.fingerprints[0].hash == "sha-256"
    assert video.type == "video" and not video.rejected
    assert session.origin == ("1795314486", "1795314487")


def test_session_level_attributes_are_inherited() -> None:
    session = Session.parse(
        "v=0\na=sendonly\na=setup:active\na=ice-ufrag:abcd\na=fingerprint:SHA-256 ab:cd\nm=audio 9 RTP/SAVPF 0\n"
        "m=audio 0 RTP/SAVPF 0\na=recvonly\na=setup:passive\n"
    )
    first, second = session.media
    assert first.direction is Direction.SENDONLY and second.direction is Direction.RECVONLY
    assert first.setup == "active" and second.setup == "passive"
    assert second.ice_ufrag == "abcd" and second.rejected
    assert second.fingerprints[0].value == "AB:CD" and second.fingerprints[0].hash == "sha-256"


def test_static_payload_types_need_no_rtpmap_and_unknown_ones_are_left_out() -> None:
    audio = Session.parse("v=0\nm=audio 9 RTP/SAVPF 8 0 96 999 x 97\na=rtpmap:97 speex/0\n").media[0]
    assert [each.name for each in audio.payload_formats] == ["PCMA", "PCMU"]


def test_edits_keep_the_order_of_the_rest() -> None:
    session = Session.parse("v=0\ns=-\nm=audio 9 RTP/SAVPF 0 8\na=mid:0\na=sendrecv\na=ssrc:1 a\na=ssrc:2 b\n")
    audio = session.media[0]
    audio.direction = Direction.INACTIVE
    audio.port, audio.protocol, audio.formats = 1234, "UDP/TLS/RTP/SAVPF", ["8"]
    audio.set("mid", "x")
    audio.remove("ssrc")
    audio.add("end-of-candidates")
    session.set_value("s", "talk")
    session.set_value("t", "0 0")
    assert str(session) == (
        "v=0\r\ns=talk\r\nt=0 0\r\nm=audio 1234 UDP/TLS/RTP/SAVPF 8\r\na=mid:x\r\na=inactive\r\na=end-of-candidates\r\n"
    )
    copy = session.copy()
    copy.media[0].set("mid", "y")
    assert audio.mid == "x"


@pytest.mark.parametrize(
    "text",
    ["", "m=audio 9 RTP/AVP 0\r\n", "v=0\r\nnonsense\r\n", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio x RTP/AVP 0\r\n",
     "v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "v=0\r\ns=a\rb\r\n",
     "v=0\r\n" + "a=x\r\n" * 3000, "v=0\r\ns=" + "x" * 70000],
)  # fmt: skip
def test_what_is_no_sdp(text: str) -> None:
    with pytest.raises(ParseError):
        Session.parse(text)


def test_too_many_media_sections() -> None:
    with pytest.raises(ParseError):
        Session.parse("v=0\r\n" + "m=audio 9 RTP/AVP 0\r\n" * 40)


def test_a_line_end_cannot_be_smuggled_in() -> None:
    session = Session.parse("v=0\r\n")
    with pytest.raises(ValueError, match="line end"):
        session.add("tool", "x\r\nm=audio 9 RTP/AVP 0")


def test_candidates_round_trip_and_bad_ones_are_left_out() -> None:
    text = "4300323504 1 udp 2130706431 127.0.0.1 16412 typ srflx raddr 10.0.0.1 rport 9"
    assert str(Candidate.parse(text)) == text
    audio = Session.parse("v=0\nm=audio 9 RTP/SAVPF 0\na=candidate:x\na=candidate:" + text + "\n").media[0]
    assert [each.port for each in audio.candidates] == [16412]
    many = Session.parse("v=0\nm=audio 9 RTP/SAVPF 0\n" + f"a=candidate:{text}\n" * 100).media[0]
    assert len(many.candidates) == 32


def test_directions() -> None:
    all_of = list(Direction)
    table = {(offered, wanted): answer_direction(offered, wanted) for offered in all_of for wanted in all_of}
    assert table[Direction.SENDONLY, Direction.SENDRECV] is Direction.RECVONLY
    assert table[Direction.SENDRECV, Direction.SENDONLY] is Direction.SENDONLY
    assert table[Direction.SENDONLY, Direction.SENDONLY] is Direction.INACTIVE
    assert table[Direction.INACTIVE, Direction.SENDRECV] is Direction.INACTIVE
    assert table[Direction.RECVONLY, Direction.SENDRECV] is Direction.SENDONLY
    assert direction_of(True, False) is Direction.SENDONLY and direction_of(False, True) is Direction.RECVONLY


def test_a_bundle_names_its_sections() -> None:
    text = "v=0\na=group:LS 0 2\na=group:BUNDLE 0 1\n" + "".join(
        f"m=audio 9 RTP/SAVPF 0\na=mid:{mid}\n" for mid in range(3)
    )
    session = Session.parse(text + "m=audio 9 RTP/SAVPF 0\n")
    zero, one, two, nameless = session.media
    assert session.bundles(zero, one) and session.bundles(one, zero)
    assert not session.bundles(zero, two) and not session.bundles(zero, nameless)
    assert not Session.parse("v=0\na=group:\na=group\nm=audio 9 RTP/SAVPF 0\n").bundles(nameless, nameless)
