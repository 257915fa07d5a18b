"""Requests and responses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import LocalError, OffhookError, ParseError
from offhook.sip.fields import Address, CSeq, Event, Reason, Replaces, RetryAfter, SessionExpires, SubscriptionState
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.phrases import PHRASES
from offhook.sip.uri import Uri

BAD_VALUES = ["a\rb", "a\nb", "a\0b", "a\r\nVia: SIP/2.0/UDP evil", "\ud800"]


def invite(*extra: tuple[str, str], body: bytes = b"") -> Request:
    return Request(
        "INVITE",
        "sip:1001@h",
        [
            ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1, SIP/2.0/UDP b"),
            ("v", "SIP/2.0/UDP c"),
            ("From", '"A" <sip:1000@h>;tag=f'),
            ("To", "<sip:1001@h>"),
            ("Call-ID", "id@h"),
            ("CSeq", "1 INVITE"),
            *extra,
        ],
        body,
    )


class TestTypedValues:
    def test_what_every_message_has(self) -> None:
        message = invite()
        assert (message.via.transport, message.via.branch) == ("WS", "z9hG4bK1")
        assert [via.host for via in message.vias] == ["a.invalid", "b", "c"]
        assert message.from_ == Address.parse('"A" <sip:1000@h>;tag=f')
        assert message.to.tag is None
        assert message.call_id == "id@h"
        assert message.cseq == CSeq(1, "INVITE")
        assert message.target == Uri.sip("1001", "h")

    def test_what_some_have(self) -> None:
        message = invite(
            ("Contact", "<sip:a@x>, <sip:b@x>;q=1"),
            ("m", "<sip:c@x>"),
            ("Route", "<sip:r1;lr>,<sip:r2;lr>"),
            ("Record-Route", "<sip:rr;lr>"),
            ("c", "Application/SDP ; charset=x"),
            ("Max-Forwards", "70"),
            ("Expires", "99999999999"),
            ("Min-Expires", "60"),
            ("Min-SE", "90;x=y"),
            ("k", "Timer, replaces"),
            ("Supported", "100rel,"),
            ("Require", "timer"),
            ("Allow", "INVITE, ACK"),
            ("Reason", "SIP;cause=200, Q.850;cause=16"),
            ("Replaces", "a;to-tag=b;from-tag=c"),
            ("Refer-To", "<sip:d@x?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"),
            ("x", "120;refresher=uas"),
            ("o", "refer;id=1"),
            ("Subscription-State", "terminated;reason=noresource"),
            ("Retry-After", "5"),
            ("Date", "Sun, 22 Nov 2026 07:21:01 GMT"),
        )
        assert message.contact == Address.parse("<sip:a@x>")
        assert [str(contact.uri) for contact in message.contacts] == ["sip:a@x", "sip:b@x", "sip:c@x"]
        assert [str(route.uri) for route in message.routes] == ["sip:r1;lr", "sip:r2;lr"]
        assert [str(route.uri) for route in message.record_routes] == ["sip:rr;lr"]
        assert message.content_type == "application/sdp"
        assert (message.max_forwards, message.expires, message.min_expires, message.min_se) == (70, 2**32 - 1, 60, 90)
        assert message.supported == {"timer", "replaces", "100rel"}
        assert message.supported is message.supported
        assert message.require == {"timer"}
        assert message.allow == {"INVITE", "ACK"}
        assert message.reasons == (Reason("SIP", 200), Reason("Q.850", 16))
        assert message.replaces == Replaces("a", "b", "c")
        assert message.refer_to is not None
        assert message.refer_to.uri.header("replaces") == "a;to-tag=b;from-tag=c"
        assert message.session_expires == SessionExpires(120, "uas")
        assert message.event == Event.parse("refer;id=1")
        assert message.subscription_state == SubscriptionState("terminated", "noresource")
        assert message.retry_after == RetryAfter(5)
        assert message.date == datetime(2026, 11, 22, 7, 21, 1, tzinfo=UTC)
        message.validate()

    def test_what_is_not_there(self) -> None:
        message = Request("OPTIONS", "sip:h")
        for name in ("via", "from_", "to", "call_id", "cseq"):
            with pytest.raises(ParseError):
                getattr(message, name)
        for name in ("contact", "content_type", "expires", "replaces", "refer_to", "event", "date"):
            assert getattr(message, name) is None
        for name in ("vias", "contacts", "routes", "record_routes"):
            assert getattr(message, name) == []
        assert message.supported == frozenset() and message.reasons == ()
        assert message.text == ""

    def test_wildcard_contact(self) -> None:
        message = invite(("Contact", "*"))
        assert message.wildcard_contact and message.contact is None and message.contacts == []
        assert not invite(("Contact", "<sip:a@b>")).wildcard_contact

    def test_a_refer_without_brackets(self) -> None:
        refer_to = invite(("Refer-To", "sip:d@x?Replaces=a@b%3Bto-tag%3D1")).refer_to
        assert refer_to is not None and refer_to.uri.header("Replaces") == "a@b;to-tag=1"
        refer_to = invite(("r", "sip:d@x")).refer_to
        assert refer_to is not None and refer_to.uri.user == "d"

    def test_values_follow_the_headers(self) -> None:
        message = invite(("Contact", "<sip:a@x>"))
        assert (message.cseq.number, len(message.contacts), message.supported) == (1, 1, frozenset())
        message.headers.set("CSeq", "2 INVITE")
        message.headers.add("Contact", "<sip:b@x>")
        message.headers.add("Supported", "timer")
        assert (message.cseq.number, len(message.contacts), message.supported) == (2, 2, frozenset({"timer"}))
        message.headers.remove("Contact")
        assert message.contact is None
        message.uri = "sip:other"
        assert message.target.host == "other"

    def test_lists_are_the_readers_own(self) -> None:
        message = invite()
        message.vias.clear()
        assert len(message.vias) == 3

    def test_text_keeps_odd_octets(self) -> None:
        assert invite(body=b"\xffa").text.encode("utf-8", "surrogateescape") == b"\xffa"


class TestWriting:
    def test_content_length_is_always_right(self) -> None:
        assert Response(200, headers=[("X", "1")]).serialize() == b"SIP/2.0 200 OK\r\nX: 1\r\nContent-Length: 0\r\n\r\n"
        request = Request("INFO", "sip:h", [("l", "99"), ("X", "1"), ("Content-Length", "99")], b"12345")
        assert request.serialize() == b"INFO sip:h SIP/2.0\r\nl: 5\r\nX: 1\r\n\r\n12345"
        assert list(request.headers)[0] == ("l", "99")

    def test_it_can_be_read_again(self) -> None:
        request = invite(("X-Odd", "gr\u00fc\u00df \udcff"), body=b"v=0\r\n\x00\xff")
        got = parse_message(request.serialize())
        assert isinstance(got, Request)
        assert list(got.headers) == [*request.headers, ("Content-Length", "7")]
        assert (got.method, got.uri, got.body) == (request.method, request.uri, request.body)

    @pytest.mark.parametrize("method", ["", "A B", "INVITE\r\n", "Ä"])
    def test_methods_that_are_none(self, method: str) -> None:
        with pytest.raises(LocalError):
            Request(method, "sip:h")

    @pytest.mark.parametrize("uri", ["", "sip:a b", "sip:h SIP/2.0\r\nX: y", "sip:a\0", "<sip:a>", "sip:\ud800"])
    def test_uris_that_are_none(self, uri: str) -> None:
        with pytest.raises(LocalError):
            Request("INVITE", uri)
        request = invite()
        request.uri = uri
        with pytest.raises(LocalError):
            request.serialize()

    @pytest.mark.parametrize(("status", "phrase"), [(99, None), (700, None), (200, "OK\r\nX: y"), (200, "\0")])
    def test_responses_that_are_none(self, status: int, phrase: str | None) -> None:
        with pytest.raises(LocalError):
            Response(status, phrase)

    def test_repr_shows_no_numbers(self) -> None:
        assert repr(invite()) == "Request(INVITE)"
        assert repr(Response(200)) == "Response(200 OK)"

    @given(st.text(), st.text(), st.text())
    def test_nothing_given_becomes_a_header_or_a_message(self, name: str, value: str, user: str) -> None:
        try:
            request = Request("INFO", Uri.sip(user, "h"), [("From", str(Address(value, Uri.sip(user, "h"))))])
            request.headers.add(name, value)
        except LocalError:
            return
        got = parse_message(request.serialize() + b"INVITE sip:h SIP/2.0\r\n\r\n")
        assert isinstance(got, Request)
        assert list(got.headers) == [*request.headers, ("Content-Length", "0")] or name.lower() in (
            "content-length",
            "l",
        )
        assert got.from_.uri.host == got.target.host == "h"


class TestAnswering:
    def test_what_is_copied(self) -> None:
        request = invite(("Record-Route", "<sip:rr;lr>"), ("Timestamp", "54"), ("Contact", "<sip:x>"), ("Subject", "s"))
        response = request.response(180, to_tag="t")
        assert response.phrase == "Ringing"
        assert list(response.headers) == [
            ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1, SIP/2.0/UDP b"),
            ("v", "SIP/2.0/UDP c"),
            ("From", '"A" <sip:1000@h>;tag=f'),
            ("To", "<sip:1001@h>;tag=t"),
            ("Call-ID", "id@h"),
            ("CSeq", "1 INVITE"),
            ("Record-Route", "<sip:rr;lr>"),
        ]
        assert response.to.tag == "t" and request.to.tag is None

    def test_trying_takes_the_timestamp_and_no_route(self) -> None:
        response = invite(("Record-Route", "<sip:rr;lr>"), ("Timestamp", "54")).response(100)
        assert "Record-Route" not in response.headers
        assert response.headers.get("timestamp") == "54"

    def test_refusals_take_no_route(self) -> None:
        assert "Record-Route" not in invite(("Record-Route", "<sip:rr;lr>")).response(486).headers
        request = invite(("Record-Route", "<sip:rr;lr>"))
        request.method = "OPTIONS"
        assert "Record-Route" not in request.response(200).headers

    def test_a_tag_that_is_there_stays(self) -> None:
        request = invite()
        request.headers.set("t", "<sip:a@b>;tag=old")
        assert request.response(200, "Fine", to_tag="new").to.tag == "old"
        assert request.response(200, "Fine").phrase == "Fine"

    def test_a_to_that_cannot_be_read_is_copied(self) -> None:
        request = invite()
        request.headers.set("To", '"rubbish')
        assert request.response(400, to_tag="new").headers.get("To") == '"rubbish'
        request.headers.remove("To")
        assert request.response(400, to_tag="new").headers.get("To") is None

    def test_bad_tags(self) -> None:
        for tag in ("", "a b", "a\r\nX: y", "a;b"):
            with pytest.raises(LocalError):
                invite().response(200, to_tag=tag)

    def test_a_nul_that_came_in_goes_back(self) -> None:
        request = parse_message(b'INFO sip:h SIP/2.0\r\nTo: "a\\\0" <sip:x@y>\r\n\r\n')
        assert isinstance(request, Request)
        assert request.to.display_name == "a\0"
        assert b'To: "a\\\0" <sip:x@y>;tag=t\r\n' in request.response(200, to_tag="t").serialize()
        Headers([("To", str(request.to))])

    def test_unknown_statuses_have_no_phrase(self) -> None:
        assert Response(299).phrase == "" and PHRASES[603] == "Decline"
        assert Response(299).serialize().startswith(b"SIP/2.0 299 \r\n")


class TestValidating:
    @pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
    def test_what_must_be_there(self, name: str) -> None:
        request = invite()
        request.headers.remove(name)
        with pytest.raises(ParseError) as caught:
            request.validate()
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("From", "<sip:x>"),
            ("Call-ID", "x"),
            ("CSeq", "1 INVITE"),
            ("Max-Forwards", "many"),
            ("Contact", "<sip:x"),
            ("Via", "SIP/2.0/UDP"),
        ],
    )
    def test_what_must_not(self, name: str, value: str) -> None:
        with pytest.raises(ParseError):
            invite((name, value)).validate()

    def test_versions(self) -> None:
        request = invite()
        request.version = "SIP/7.0"
        with pytest.raises(ParseError) as caught:
            request.validate()
        assert caught.value.status == 505
        request.version = "sip/2.0"
        request.validate()
        assert issubclass(ParseError, OffhookError)

    def test_methods_and_targets_have_to_fit(self) -> None:
        for method, uri in (("BYE", "sip:h"), ("INVITE", "sip:h?Route=%3Csip:x%3E"), ("INVITE", "sip:2001:db8::1")):
            request = invite()
            request.method, request.uri = method, uri
            with pytest.raises(ParseError):
                request.validate()

    def test_responses(self) -> None:
        invite().response(200).validate()
