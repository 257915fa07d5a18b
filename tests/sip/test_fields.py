"""Values of header fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import ParseError
from offhook.sip.fields import (
    Address,
    Challenge,
    Credentials,
    CSeq,
    Event,
    Reason,
    Replaces,
    RetryAfter,
    SessionExpires,
    SubscriptionState,
    Via,
    parse_call_id,
    parse_date,
)
from offhook.sip.grammar import Parameters, check_text
from offhook.sip.uri import Uri


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "name", "uri", "tag"),
        [
            ('"Extension 1000" <sip:1000@127.0.0.1>;tag=gB', "Extension 1000", "sip:1000@127.0.0.1", "gB"),
            ("<sip:a@b>", None, "sip:a@b", None),
            ("sip:a@b;tag=1", None, "sip:a@b", "1"),
            ("sip:a@b ;   tag    = 19", None, "sip:a@b", "19"),
            ("<sip:a@b;tag=no>;tag=yes", None, "sip:a@b;tag=no", "yes"),
            ("Acme (Sales) <sip:a@b>", "Acme (Sales)", "sip:a@b", None),
            ("Zoë Ünal <sip:a@b>", "Zoë Ünal", "sip:a@b", None),
            ("caller<sip:a@b>;tag=3", "caller", "sip:a@b", "3"),
            ('"A, \\"B\\" <C>" <sip:a@b>', 'A, "B" <C>', "sip:a@b", None),
            ('""<sip:a@b>', "", "sip:a@b", None),
            ('"J Rosenberg \\\\\\""       <sip:j@e>  ;  tag = 98', 'J Rosenberg \\"', "sip:j@e", "98"),
            ("<tel:+1-201-555;phone-context=x>", None, "tel:+1-201-555;phone-context=x", None),
            ("<sip:a@[2001:db8::1]:5060>", None, "sip:a@[2001:db8::1]:5060", None),
            ("<mailto:a@b.c>", None, "mailto:a@b.c", None),
            ("isbn:2983792873", None, "isbn:2983792873", None),
            ("<sip:a@b>;", None, "sip:a@b", None),
            ("<sip:a@b?Replaces=x%3By>", None, "sip:a@b?Replaces=x%3By", None),
            ("Bell, Alexander <sip:a@b>;tag=4", "Bell, Alexander", "sip:a@b", "4"),
            ("<sip:*97#@b>", None, "sip:*97#@b", None),
        ],
    )
    def test_reading(self, text: str, name: str | None, uri: str, tag: str | None) -> None:
        got = Address.parse(text)
        assert got.display_name == name
        assert str(got.uri) == uri
        assert got.tag == tag
        assert Address.parse(str(got)) == got

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "*",
            "1000",
            '"Mr. J. User <sip:j.user@example.com>',
            '"Watson, Thomas" < sip:t.watson@example.org >',
            '"A" sip:a@b',
            'A "B" <sip:a@b>',
            "A; B <sip:a@b>",
            "A > B <sip:a@b>",
            "<sip:a@b",
            "<sip:a@b> x",
            "<sip:a@b>,<sip:c@d>",
            "sip:a@b,sip:c@d",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "<sip:a@b>;;;;",
            "<>",
            "<sip:a@b>;tag=1\r\nVia: x",
        ],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(ParseError):
            Address.parse(text)

    def test_lists(self) -> None:
        got = Address.parse_many('"A, B" <sip:a@b.c>;x="a;b=c,d", "C" <sip:d@e.f> , <sip:g,h@i>')
        assert [address.display_name for address in got] == ["A, B", "C", None]
        assert got[0].parameters.get("x") == "a;b=c,d"
        with pytest.raises(ParseError):
            Address.parse_many("<sip:a@b>,,<sip:c@d>")

    def test_instance_id_is_written_as_it_came(self) -> None:
        text = '<sip:a@b>;+sip.instance="<urn:uuid:1>";methods="INVITE,BYE";reg-id=1'
        assert str(Address.parse(text)) == text
        assert Address.parse(text).parameters.get("+sip.instance") == "<urn:uuid:1>"

    def test_what_a_command_brings_stays_in_its_place(self) -> None:
        address = Address('x" <sip:evil@e>\r\nVia: y\0', Uri.sip("1\r\n000", "h"), Parameters([("t", 'a"\r\n;b=c')]))
        text = check_text(str(address), "it")
        assert text == '"x\\" <sip:evil@e>  Via: y " <sip:1%0D%0A000@h>;t="a\\"  ;b=c"'
        got = Address.parse(text)
        assert (got.uri.host, got.display_name) == ("h", 'x" <sip:evil@e>  Via: y ')

    def test_tags(self) -> None:
        got = Address.parse("<sip:a@b>;x=1")
        assert str(got.with_tag("t")) == "<sip:a@b>;x=1;tag=t"
        assert str(got.with_tag("t").with_tag("u")) == "<sip:a@b>;x=1;tag=u"

    def test_it_is_a_value(self) -> None:
        got = Address.parse("<sip:a@b>;x=1")
        assert got == Address(None, Uri.sip("a", "b"), Parameters({"x": "1"}))
        assert hash(got) == hash(Address.parse("<sip:a@b>;X=1"))
        with pytest.raises(FrozenInstanceError):
            got.display_name = "x"  # type: ignore[misc]

    def test_repr_hides_who(self) -> None:
        assert "Zoe" not in repr(Address.parse("Zoe <sip:1000@b>")) and "1000" not in repr(
            Address.parse("<sip:1000@b>")
        )


class TestVia:
    @pytest.mark.parametrize(
        ("text", "transport", "host", "port", "branch"),
        [
            ("SIP/2.0/WS 8ee.invalid;branch=z9hG4bK7", "WS", "8ee.invalid", None, "z9hG4bK7"),
            ("SIP/2.0/UDP 192.0.2.1:5060 ;branch=z9;rport", "UDP", "192.0.2.1", 5060, "z9"),
            ("SIP/2.0/TLS [2001:db8::9:1]:5061;branch=b", "TLS", "[2001:db8::9:1]", 5061, "b"),
            ("sip/2.0/unknown t4", "unknown", "t4", None, None),
            (
                "SIP  / 2.0  / TCP     spindle.example.com   ;  branch  =   z9hG4bK9  ",
                "TCP",
                "spindle.example.com",
                None,
                "z9hG4bK9",
            ),
            ("SIP/2.0/TCP h : 5060", "TCP", "h", 5060, None),
            (" SIP/2.0/UDP h ", "UDP", "h", None, None),
            ("SIP/2.0/UDP h;", "UDP", "h", None, None),
        ],
    )
    def test_reading(self, text: str, transport: str, host: str, port: int | None, branch: str | None) -> None:
        got = Via.parse(text)
        assert (got.transport, got.host, got.port, got.branch) == (transport, host, port, branch)
        assert Via.parse(str(got)) == got

    def test_where_it_came_from(self) -> None:
        got = Via.parse("SIP/2.0/UDP h;rport=5070;received=2001:db8::9:255")
        assert (got.rport, got.received) == (5070, "2001:db8::9:255")
        assert Via.parse("SIP/2.0/UDP h;received=[2001:db8::1]").received == "[2001:db8::1]"
        asked = Via.parse("SIP/2.0/UDP h;rport")
        assert asked.rport is None and "rport" in asked.parameters
        assert Via.parse("SIP/2.0/UDP h").rport is None
        with pytest.raises(ParseError):
            _ = Via.parse("SIP/2.0/UDP h;rport=70000").rport

    def test_writing(self) -> None:
        assert str(Via("WS", "h.invalid", None, Parameters({"branch": "z9"}))) == "SIP/2.0/WS h.invalid;branch=z9"
        assert str(Via.parse("SIP/7.0/UDP h:1")) == "SIP/7.0/UDP h:1"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP h:65536",
            "SIP/2.0/UDP h x",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
        ],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(ParseError):
            Via.parse(text)

    def test_lists(self) -> None:
        assert [via.host for via in Via.parse_many('SIP/2.0/UDP a;x="1,2",SIP/2.0/TCP b')] == ["a", "b"]


def test_cseq() -> None:
    assert CSeq.parse("0009   INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(4294967295, "BYE")) == "4294967295 BYE"
    for text in (
        "",
        "1",
        "INVITE",
        "1INVITE",
        "-1 BYE",
        "36893488147419103232 REGISTER",
        "1 A B",
        "1 Ä",
        f"{'9' * 9999} A",
    ):
        with pytest.raises(ParseError):
            CSeq.parse(text)


class TestChallenge:
    def test_reading(self) -> None:
        got = Challenge.parse(
            'Digest realm="a, \\"b\\"", Nonce = "n" ,algorithm=MD5, qop="auth,auth-int", realm=second'
        )
        assert got.scheme == "Digest"
        assert got.parameters == {"realm": 'a, "b"', "nonce": "n", "algorithm": "MD5", "qop": "auth,auth-int"}

    def test_several_in_a_line(self) -> None:
        text = 'Digest realm="a, b", nonce=x,, Basic realm="c", Bearer abc==, Negotiate, Digest realm=d'
        got = Challenge.parse_many(text)
        assert [challenge.scheme for challenge in got] == ["Digest", "Basic", "Bearer", "Negotiate", "Digest"]
        assert [challenge.token68 for challenge in got] == [None, None, "abc==", None, None]
        assert got[0].parameters == {"realm": "a, b", "nonce": "x"}
        assert [str(challenge) for challenge in got[1:4]] == ['Basic realm="c"', "Bearer abc==", "Negotiate"]
        with pytest.raises(ParseError):
            Challenge.parse(text)

    def test_unknown_schemes(self) -> None:
        got = Credentials.parse("NoOneKnowsThisScheme opaque-data=here")
        assert got == Credentials("NoOneKnowsThisScheme", {"opaque-data": "here"})

    @pytest.mark.parametrize(
        "text",
        ["", ",", "a=b", 'Digest realm="a', 'Digest realm="a"b', "Digest a=b, c d e", "Digest =x"],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(ParseError):
            Challenge.parse_many(text)

    def test_writing_quotes_what_the_rfc_quotes(self) -> None:
        values = {"realm": "r", "nonce": "n", "qop": "auth", "algorithm": "MD5", "stale": "true", "nc": "00000001"}
        want = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5, stale=true, nc=00000001'
        assert str(Challenge("Digest", values)) == want
        want = 'Digest realm="r", nonce="n", qop=auth, algorithm=MD5, stale="true", nc=00000001'
        assert str(Credentials("Digest", values)) == want
        assert str(Challenge("Digest", {"algorithm": "a\r\nb"})) == 'Digest algorithm="a  b"'

    def test_repr_hides_secrets(self) -> None:
        assert "n0nce" not in repr(Challenge.parse("Digest nonce=n0nce, realm=r"))
        assert "c2VjcmV0" not in repr(Credentials.parse("Basic c2VjcmV0"))


def test_replaces() -> None:
    got = Replaces.parse(" 98@h;to-tag=1 ; from-tag=2;early-only")
    assert got == Replaces("98@h", "1", "2", early_only=True)
    assert str(got) == "98@h;to-tag=1;from-tag=2;early-only"
    assert str(Replaces("a", "b", "c")) == "a;to-tag=b;from-tag=c"
    for text in ("", "a", "a;to-tag=1", "a;from-tag=1", "a b;to-tag=1;from-tag=2", ";to-tag=1;from-tag=2"):
        with pytest.raises(ParseError):
            Replaces.parse(text)


def test_reason() -> None:
    assert Reason.parse('Q.850;cause=16;text="NORMAL_CLEARING"') == Reason("Q.850", 16, "NORMAL_CLEARING")
    got = Reason.parse_many('SIP;cause=200;text="Call completed, elsewhere" , Q.850;cause=26, X')
    assert got == [Reason("SIP", 200, "Call completed, elsewhere"), Reason("Q.850", 26), Reason("X")]
    assert [str(reason) for reason in got] == ['SIP;cause=200;text="Call completed, elsewhere"', "Q.850;cause=26", "X"]
    for text in ("", "SIP;cause=x", ";cause=1", "S I P"):
        with pytest.raises(ParseError):
            Reason.parse(text)


def test_session_expires() -> None:
    assert SessionExpires.parse("120;refresher=UAC") == SessionExpires(120, "uac")
    assert SessionExpires.parse("90;refresher=uas") == SessionExpires(90, "uas")
    assert SessionExpires.parse(" 120 ; refresher=nobody") == SessionExpires(120)
    assert str(SessionExpires(120, "uas")) == "120;refresher=uas"
    assert str(SessionExpires(1800)) == "1800"
    with pytest.raises(ParseError):
        SessionExpires.parse("soon")


def test_event() -> None:
    assert str(Event.parse("refer;id=93;x=1")) == "refer;id=93;x=1"
    assert (Event.parse("refer;id=93").package, Event.parse("refer;id=93").id) == ("refer", "93")
    assert str(Event("talk")) == "talk"
    assert str(Event("refer", "7")) == "refer;id=7"
    with pytest.raises(ParseError):
        Event.parse("")


def test_subscription_state() -> None:
    got = SubscriptionState.parse("Terminated;reason=noresource;expires=5;retry-after=7")
    assert got == SubscriptionState("terminated", "noresource", 5, 7)
    assert str(got) == "terminated;reason=noresource;expires=5;retry-after=7"
    assert str(SubscriptionState.parse("active")) == "active"
    with pytest.raises(ParseError):
        SubscriptionState.parse("active;expires=never")


def test_retry_after() -> None:
    got = RetryAfter.parse("18000 (I'm in a meeting) ;duration=3600")
    assert (got.seconds, got.comment, got.parameters.get("duration")) == (18000, "I'm in a meeting", "3600")
    assert str(got) == "18000 (I'm in a meeting);duration=3600"
    assert str(RetryAfter.parse("949302838503028349304023988")) == "4294967295"
    with pytest.raises(ParseError):
        RetryAfter.parse("later")


def test_call_id() -> None:
    assert (
        parse_call_id(" intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{ ")
        == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    )
    for text in ("", "a b", "a\0"):
        with pytest.raises(ParseError):
            parse_call_id(text)


def test_date() -> None:
    assert parse_date("Sun, 22 Nov 2026 07:21:01 GMT") == datetime(2026, 11, 22, 7, 21, 1, tzinfo=UTC)
    for text in ("Fri, 01 Jan 2010 16:00:00 EST", "Fri, 01 Foo 2010 16:00:00 GMT", "Fri, 31 Feb 2010 16:00:00 GMT", ""):
        with pytest.raises(ParseError):
            parse_date(text)


PARSERS: list[Callable[[str], object]] = [
    Address.parse,
    Via.parse,
    CSeq.parse,
    Challenge.parse,
    Credentials.parse,
    Replaces.parse,
    Reason.parse,
    SessionExpires.parse,
    Event.parse,
    SubscriptionState.parse,
    RetryAfter.parse,
]
PIECES = st.lists(
    st.sampled_from(
        [
            "sip:",
            "a",
            "@",
            "b",
            ";",
            "=",
            ",",
            '"',
            "\\",
            "<",
            ">",
            " ",
            "\t",
            "1",
            "SIP/2.0/UDP",
            "Digest",
            "%",
            ":",
            "?",
            "ü",
        ]
        + ["tag", "to-tag=1;from-tag=2", "[::1]", "\0", "\r\n", "\udcff", "q", "(", ")", "é", "*"]
    ),
    max_size=12,
).map("".join)


@given(PIECES | st.text(max_size=30), st.sampled_from(PARSERS))
def test_reading_raises_nothing_else_and_writing_comes_back(text: str, parse: Callable[[str], object]) -> None:
    try:
        got = parse(text)
    except ParseError:
        return
    again = check_text(str(got), "a value")
    if not set(again) & {"\x7f"} and again.isprintable() and "\0" not in text and "\r" not in text:
        assert parse(again) == got
