"""Traces: reading, writing without secrets, and ladders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.tracing import TracedMessage, draw_ladder, format_traced, mask, read_trace

TRACE = """\
# what it is about

## 07:21:01.867 1000 websocket created ws://127.0.0.1:5066/
---- 07:21:01.874  1000 -> FS
INFO sip:1001@127.0.0.1 SIP/2.0
Call-ID: a
Authorization: Digest username="1000", realm="r", nonce="n0nce",
 uri="sip:h", response="s3cret", cnonce=c0nce, opaque="0paque", nc=00000001
Content-Type: application/dtmf-relay
Content-Length: 23

Signal=5
Duration=160
---- 07:21:01.892  1000/b <- FS
SIP/2.0 200 OK
Call-ID: a
CSeq: 2 INFO
Content-Length: 0

## 07:21:02.000 1000 says: done
---- 07:21:03.000  1000 <- FS


"""


def message(*lines: str, body: str = "") -> bytes:
    return "\r\n".join([*lines, "", body]).encode()


def traced(data: bytes, who: str = "1000", sent: bool = True) -> TracedMessage:
    return TracedMessage("10:00:00.000", who, sent, data)


class TestReading:
    def test_blocks(self) -> None:
        first, second, third = read_trace(TRACE)
        assert (first.at, first.who, first.sent, first.peer) == ("07:21:01.874", "1000", True, "FS")
        assert (second.at, second.who, second.sent) == ("07:21:01.892", "1000/b", False)
        got = parse_message(first.data)
        assert got.body == b"Signal=5\r\nDuration=160\r\n"[:23]
        assert second.data.endswith(b"Content-Length: 0\r\n\r\n")
        assert third.data == b"\r\n\r\n"

    def test_nothing(self) -> None:
        assert read_trace("") == read_trace("# a remark\n") == []

    def test_line_ends_of_another_system(self) -> None:
        assert read_trace(TRACE.replace("\n", "\r\n")) == read_trace(TRACE)


class TestWriting:
    def test_what_is_written_can_be_read(self) -> None:
        written = "".join(map(format_traced, read_trace(TRACE)))
        again = read_trace(written)
        assert [it.data for it in again] == [mask(it.data) for it in read_trace(TRACE)]
        assert "".join(map(format_traced, again)) == written

    def test_a_body_without_a_line_end(self) -> None:
        data = message("MESSAGE sip:h SIP/2.0", "Content-Length: 2", body="ab")
        written = format_traced(traced(data, sent=False))
        assert written.startswith("---- 10:00:00.000  1000 <- FS\nMESSAGE") and written.endswith("\nab\n")
        assert read_trace(written)[0].data == data

    def test_repr_shows_no_message(self) -> None:
        assert "MESSAGE" not in repr(traced(b"MESSAGE"))


class TestMasking:
    def test_digest(self) -> None:
        written = format_traced(read_trace(TRACE)[0])
        for secret in ("n0nce", "s3cret", "c0nce", "0paque"):
            assert secret not in written
        assert 'username="1000"' in written and 'uri="sip:h", response="***"' in written and "nc=00000001" in written

    @pytest.mark.parametrize(
        "line",
        [
            'PROXY-AUTHORIZATION : Digest response="s3cret"',
            "www-authenticate: digest nonce = s3cret",
            'Proxy-Authenticate: Digest realm="r",nonce="s3cret"',
            'Authentication-Info: nextnonce="s3cret", rspauth="s3cret"',
            "Authorization: Basic s3cret",
            "Authorization: Bearer\r\n\ts3cret",
            "Authorization:s3cret",
            "Authorization: Own s3cret,s3cret s3cret",
        ],
    )
    def test_other_forms(self, line: str) -> None:
        assert b"s3cret" not in mask(message("REGISTER sip:h SIP/2.0", line, "X: 1"))
        assert mask(message("REGISTER sip:h SIP/2.0", line, "X: 1")).endswith(b"\r\nX: 1\r\n\r\n")

    def test_digits(self) -> None:
        data = message("INFO sip:h SIP/2.0", "c: application/dtmf-relay", body="Signal= 5\r\nDuration=160\r\n")
        assert mask(data).endswith(b"Signal= *\r\nDuration=160\r\n")
        assert mask(message("INFO sip:h SIP/2.0", "Content-Type: Application/DTMF", body="12 #\r\n")).endswith(
            b"** *\r\n"
        )

    def test_keys_in_sdp(self) -> None:
        body = "a=ice-pwd:8ZgDPZ\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z|2^20\r\na=ice-ufrag:x\r\n"
        got = mask(message("INVITE sip:h SIP/2.0", body=body))
        assert got.endswith(
            b"a=ice-pwd:******\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:********|2^20\r\na=ice-ufrag:x\r\n"
        )

    def test_other_things_stay(self) -> None:
        data = message("INFO sip:h SIP/2.0", "X-Response: nonce=1", "Content-Type: text/plain", body="Signal=5 nonce=2")
        assert mask(data) == data

    @given(st.binary(max_size=200))
    def test_anything_can_be_masked(self, data: bytes) -> None:
        assert mask(mask(data)) == mask(data)
        assert format_traced(traced(data)).endswith("\n")


class TestLadder:
    def test_three_participants(self) -> None:
        sdp = "v=0\r\na=sendonly\r\n"
        invite = message("INVITE sip:h SIP/2.0", "Call-ID: a", "Content-Type: application/sdp; x=y", body=sdp)
        bye = message("BYE sip:h SIP/2.0", "Call-ID: b", 'Reason: Q.850;cause=16;text="NORMAL"')
        declined = message("SIP/2.0 407 Proxy Authentication Required", "Call-ID: a", "CSeq: 1 INVITE")
        ladder = draw_ladder(
            [
                traced(invite),
                traced(declined, sent=False),
                traced(bye, "1001", False),
                traced(bye, "1002"),
                traced(b"\r\n\r\n"),
            ]
        )
        rail = "│" + " " * 29
        want = [
            f"{'':15}{'1000':30}{'FS':30}{'1001':30}1002",
            f"10:00:00.000  │── INVITE ──────────────────▶{rail}{rail}│  #1  SDP sendonly",
            f"10:00:00.000  │◀── 407 Proxy Au… (INVITE) ──{rail}{rail}│  #1",
            f'10:00:00.000  {rail}│── BYE ─────────────────────▶{rail}│  #2  Reason: Q.850;cause=16;text="NORMAL"',
            f'10:00:00.000  {rail}│◀{"─" * 28}┼{"─" * 22} BYE ──│  #2  Reason: Q.850;cause=16;text="NORMAL"',
            f"10:00:00.000  │── (no SIP message) ────────▶{rail}{rail}│",
        ]
        assert ladder.splitlines() == want

    def test_notes(self) -> None:
        sipfrag = message(
            "NOTIFY sip:h SIP/2.0", "Event: refer", "Content-Type: message/sipfrag", body="SIP/2.0 200 OK\r\n"
        )
        assert draw_ladder([traced(sipfrag)]).endswith("│  #1  sipfrag SIP/2.0 200 OK  Event: refer\n")
        text = message("MESSAGE sip:h SIP/2.0", "Content-Type: text/plain", body="x")
        assert draw_ladder([traced(text)]).endswith("│  #1  text/plain\n")
        empty = message("INFO sip:h SIP/2.0", "Content-Type: message/update_display")
        assert draw_ladder([traced(empty)]).endswith("│  #1\n")
        sdp = message("INVITE sip:h SIP/2.0", "Content-Type: application/sdp", body="v=0")
        assert draw_ladder([traced(sdp)]).endswith("│  #1  SDP\n")

    def test_nothing(self) -> None:
        assert draw_ladder([]) == "no messages\n"

    def test_a_response_without_cseq(self) -> None:
        assert "── 200 OK ──" in draw_ladder([traced(b"SIP/2.0 200 OK\r\n\r\n")])

    def test_one_who_talks_to_itself(self) -> None:
        alone = TracedMessage("10:00:00.000", "FS", True, Request("OPTIONS", "sip:h").serialize())
        assert "OPTIONS" in draw_ladder([alone])

    def test_no_control_characters_reach_the_terminal(self) -> None:
        data = b"SIP/2.0 200 \x1b[2J\x07\r\nCall-ID: a\r\nEvent: \x1b]0;x\x9c\r\nCSeq: 1 A\r\n\r\n"
        ladder = draw_ladder([TracedMessage("10:00:00.000", "1\x1b0", True, data)])
        assert "200 ·[2J· (A)" in ladder
        assert all(char == "\n" or char.isprintable() for char in ladder)

    @given(st.lists(st.tuples(st.sampled_from(["a", "b", "FS"]), st.booleans(), st.binary(max_size=60)), max_size=5))
    def test_anything_can_be_drawn(self, rows: list[tuple[str, bool, bytes]]) -> None:
        ladder = draw_ladder([traced(b"SIP/2.0 200 " + data + b"\r\n\r\n", who, sent) for who, sent, data in rows])
        assert ladder.count("\n") == (len(rows) + 1 if rows else 1)


FREESWITCH = Path(os.environ.get("OFFHOOK_TRACES") or Path(__file__).parents[3] / "shared" / "freeswitch" / "traces")


@pytest.mark.skipif(not FREESWITCH.is_dir(), reason=f"the traces of FreeSWITCH are not at {FREESWITCH}")
def test_every_trace_of_freeswitch() -> None:
    """All messages are read, parse, are valid, and can be written and drawn."""
    count = 0
    for path in sorted(FREESWITCH.rglob("*.txt")):
        if path.name == "LADDERS.txt":
            continue
        text = path.read_text(encoding="utf-8")
        messages = read_trace(text)
        assert len(messages) == ("\n" + text).count("\n---- "), path.name
        for one in messages:
            if one.data.strip():
                got = parse_message(one.data)
                got.validate()
                assert parse_message(got.serialize()).headers.get("Call-ID") == got.call_id
        assert [it.data for it in read_trace("".join(map(format_traced, messages)))] == [
            mask(it.data) for it in messages
        ]
        assert draw_ladder(messages).count("\n") == len(messages) + 1
        count += len(messages)
    assert count > 6000
