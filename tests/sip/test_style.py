from __future__ import annotations

import re

from offhook.sip.message import Request
from offhook.sip.style import Style
from offhook.testing.clock import SeededIds


def invite() -> Request:
    return Request(
        "INVITE",
        "sip:bob@example.org",
        [
            ("X-Queue", "support"),
            ("CSeq", "1 INVITE"),
            ("Call-ID", "c"),
            ("To", "<sip:bob@example.org>"),
            ("From", "<sip:alice@example.org>;tag=a"),
            ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1"),
        ],
        b"v=0\r\n",
    )


def names(message: Request) -> list[str]:
    return [name for name, _ in message.headers]


def test_headers_stand_in_the_order_of_the_style() -> None:
    request = invite()
    Style().dress(request, "<sip:alice@host>")
    assert names(request) == [
        "Via", "From", "To", "Call-ID", "CSeq", "Contact", "X-Queue", "Supported", "Allow", "X-FS-Support",
        "User-Agent", "Content-Length",
    ]  # fmt: skip
    assert request.headers.get("Content-Length") == "5"


def test_the_looks_of_freeswitch() -> None:
    style = Style(
        fields={"User-Agent": "FreeSWITCH", "Allow": "INVITE, ACK", "Accept": "application/sdp"},
        shown={"INVITE/100": ("User-Agent",), "INVITE/2xx": ("Contact", "User-Agent", "Accept", "Allow")},
        order=(
            "Via",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Contact",
            "User-Agent",
            "Accept",
            "Allow",
            "Content-Length",
            "*",
        ),
    )
    trying = invite().response(100)
    style.dress(trying, "<sip:pbx@host>")
    assert [name for name, _ in trying.headers][-2:] == ["User-Agent", "Content-Length"]
    fine = invite().response(200, to_tag="b")
    fine.headers.add("Remote-Party-ID", "<sip:bob@example.org>")
    style.dress(fine, "<sip:pbx@host>")
    assert [name for name, _ in fine.headers][5:] == [
        "Contact", "User-Agent", "Accept", "Allow", "Content-Length", "Remote-Party-ID",
    ]  # fmt: skip
    refusal = invite().response(486, to_tag="b")
    style.dress(refusal)
    assert [name for name, _ in refusal.headers] == ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"]


def test_what_the_owner_wrote_stays() -> None:
    request = invite()
    request.headers.add("allow", "INVITE")
    request.headers.add("Contact", "<sip:mine@host>")
    Style().dress(request, "<sip:other@host>")
    assert (request.headers.all("Allow"), request.headers.all("Contact")) == (["INVITE"], ["<sip:mine@host>"])


def test_dressing_twice_changes_nothing() -> None:
    request = invite()
    Style().dress(request, "<sip:alice@host>")
    once = request.serialize()
    Style().dress(request, "<sip:alice@host>")
    assert request.serialize() == once


def test_call_ids_and_tags_have_128_random_bits() -> None:
    ids = SeededIds(1)
    assert len(Style().call_id(ids)) == 32
    assert len(Style().tag(ids)) == 32
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", Style(uuids=True).call_id(ids))
    assert Style().branch(ids).startswith("z9hG4bK")


def test_a_refer_says_where_we_are() -> None:
    """RFC 3515 table 2: Contact is mandatory. Asterisk answers 400 "Missing Contact header" without it."""
    refer = Request("REFER", "sip:bob@example.org", [("CSeq", "2 REFER"), ("Refer-To", "<sip:carol@example.org>")])
    Style().dress(refer, "<sip:alice@host>")
    assert refer.headers.get("Contact") == "<sip:alice@host>"
