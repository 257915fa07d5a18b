from __future__ import annotations

from offhook.media.description import CODECS, LocalEnd, Offered, write_answer, write_offer
from offhook.media.engine import Direction
from offhook.media.sdp import Candidate, PayloadFormat, Session

LOCAL = LocalEnd(
    address="127.0.0.1",
    port=16412,
    candidates=(Candidate("4300323504", 1, "udp", 2130706431, "127.0.0.1", 16412, "host"),),
    ufrag="oKlYwK6iDRGQrVVD",
    password="rplkxhBGAnw51cxwKQaTEllH",
    fingerprint=":".join(["1B"] * 32),
    ssrc=990428938,
    cname="KajRRNGftuJNG3YM",
    stream="cEnA0hEKT5UYdUE1iqHWeyph4IxaQJ9A",
)
OPUS = PayloadFormat(102, "opus", 48000, 2, CODECS["opus"].freeswitch_first_fmtp)
FORMATS = (
    OPUS,
    PayloadFormat(0, "PCMU", 8000),
    PayloadFormat(8, "PCMA", 8000),
    PayloadFormat(104, "telephone-event", 48000),
    PayloadFormat(101, "telephone-event", 8000),
)


def _lines(text: str) -> list[str]:
    assert text.endswith("\r\n")
    return text.split("\r\n")[:-1]


def test_an_offer_of_freeswitch_is_the_recorded_one(freeswitch_offer: str) -> None:
    """Line by line what trace 19 has, up to its video, but for `stereo=1`, which that call had not."""
    offered = Offered(local=LOCAL, direction=Direction.SENDRECV, formats=FORMATS, again=False)
    text = write_offer("freeswitch", (1795314486, 1795314487), offered, [("audio", "", [])], 0)
    recorded = freeswitch_offer[: freeswitch_offer.index("m=video")]
    assert _lines(text.replace("; stereo=1", "")) == _lines(recorded)


def test_a_re_offer_of_freeswitch_says_hold_before_ptime() -> None:
    formats = (PayloadFormat(102, "opus", 48000, 2, "useinbandfec=1; minptime=10"),)
    offered = Offered(local=LOCAL, direction=Direction.SENDONLY, formats=formats, again=True)
    lines = _lines(write_offer("freeswitch", (1, 2), offered, [("audio", "", [])], 0))
    at = lines.index("a=sendonly")
    assert lines[at + 1] == "a=ptime:20" and lines[at + 3] == "a=setup:actpass"
    assert sum(line.startswith("a=candidate") for line in lines) == 2


def test_an_answer_of_freeswitch_is_the_recorded_one(freeswitch_answer: str) -> None:
    local = LocalEnd(
        address="127.0.0.1",
        port=17962,
        candidates=(Candidate("4743461102", 1, "udp", 2130706431, "127.0.0.1", 17962, "host"),),
        ufrag="mypqOHM87ZTshuSW",
        password="V2hdyMgLPvA1fqFG6Sp9yqMO",
        fingerprint=LOCAL.fingerprint,
        ssrc=2400036977,
        cname="zxlzShnxqN2sv4iK",
        stream="KUaTeCPQbDJ49zMYoC3qO7n2PsyOssXo",
    )
    offer = Session.parse("v=0\na=group:BUNDLE 0\nm=audio 1 UDP/TLS/RTP/SAVPF 111 110\na=mid:0\n")
    formats = [PayloadFormat(111, "opus", 48000, 2), PayloadFormat(110, "telephone-event", 48000)]
    text = write_answer(
        "freeswitch", (1795314095, 1795314096), offer, offer.media[0], local, formats, "active", Direction.SENDRECV
    )
    recorded = _lines(freeswitch_answer.replace("192.0.2.2", "127.0.0.1"))
    written = [line for line in _lines(text) if "mslabel" not in line and "label" not in line]
    assert written == recorded


def test_our_offer_is_passive_and_has_one_fingerprint() -> None:
    offered = Offered(local=LOCAL, direction=Direction.RECVONLY, formats=FORMATS, again=False)
    session = Session.parse(write_offer("offhook", (7, 2), offered, [("audio", "", [])], 0))
    audio = session.media[0]
    assert (audio.setup, audio.mid, audio.rtcp_mux, audio.direction) == ("passive", "0", True, Direction.RECVONLY)
    assert [each.hash for each in audio.fingerprints] == ["sha-256"]
    assert session.attribute("group") == "BUNDLE 0" and audio.protocol == "UDP/TLS/RTP/SAVPF"
    assert [each.name for each in audio.payload_formats][:3] == ["opus", "PCMU", "PCMA"]
    assert session.origin == ("7", "2")


def test_our_answer_mirrors_the_profile_and_rejects_video(freeswitch_offer: str) -> None:
    offer = Session.parse(freeswitch_offer)
    formats = [PayloadFormat(102, "opus", 48000, 2), PayloadFormat(104, "telephone-event", 48000)]
    text = write_answer("offhook", (7, 2), offer, offer.media[0], LOCAL, formats, "passive", Direction.SENDRECV)
    audio, video = Session.parse(text).media
    assert (audio.protocol, audio.formats, audio.mid, audio.setup) == ("RTP/SAVPF", ["102", "104"], None, "passive")
    assert (video.type, video.port, video.protocol, video.formats) == ("video", 0, "RTP/SAVPF", ["103"])
    assert video.rejected and "BUNDLE" not in text


def test_lines_of_a_session_that_we_rejected_stay_rejected_in_our_offers() -> None:
    offered = Offered(local=LOCAL, direction=Direction.SENDRECV, formats=FORMATS, again=True)
    layout = [("video", "RTP/SAVPF", ["103"]), ("audio", "RTP/SAVPF", ["102"])]
    session = Session.parse(write_offer("offhook", (7, 2), offered, layout, 1))
    assert [(each.type, each.port) for each in session.media] == [("video", 0), ("audio", 16412)]
    assert session.attribute("group") == "BUNDLE 1"


def test_an_ipv6_address_is_named_as_one() -> None:
    local = LocalEnd(
        address="::1",
        port=1,
        candidates=(),
        ufrag="abcd",
        password="x" * 22,
        fingerprint="AA",
        ssrc=1,
        cname="c",
        stream="s",
    )
    assert "x" * 22 not in repr(local)
    offered = Offered(local=local, direction=Direction.SENDRECV, formats=FORMATS, again=False)
    assert "c=IN IP6 ::1\r\n" in write_offer("offhook", (1, 2), offered, [("audio", "", [])], 0)
