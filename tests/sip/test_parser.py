"""Octets into messages: odd ones and hostile ones. The corpora of RFC 4475 and RFC 5118 are in test_corpora.py."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offhook.errors import OffhookError, ParseError
from offhook.sip.grammar import check_text
from offhook.sip.message import Message, Request, Response
from offhook.sip.parser import MAX_HEADERS, MAX_LINE, MAX_MESSAGE, KeepAlive, StreamParser, parse_message

PROPERTIES = [name for kind in (Message, Request) for name, it in vars(kind).items() if isinstance(it, property)]
REQUEST = b"INFO sip:1001@h SIP/2.0\r\n"
NEEDED = (
    b"Via: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:1000@h>;tag=f\r\nTo: <sip:1001@h>\r\n"
    b"Call-ID: id\r\nCSeq: 1 INFO\r\n"
)


def request(lines: bytes = NEEDED, body: bytes = b"") -> Request:
    got = parse_message(REQUEST + lines + b"\r\n" + body)
    assert isinstance(got, Request)
    return got


def read_everything(message: Message) -> None:
    """Every property, each of which may raise ParseError and nothing else; what it gives can be written."""
    for name in PROPERTIES:
        try:
            value = getattr(message, name)
        except (AttributeError, ParseError) as error:
            assert isinstance(error, ParseError) or isinstance(message, Response), name
            continue
        if name == "text":
            continue
        for part in value if isinstance(value, list | tuple | frozenset) else [value]:
            check_text(str(part), name)


class TestRequestsAndResponses:
    def test_a_request(self) -> None:
        got = request(NEEDED + b"Content-Length: 3\r\n", b"abc")
        assert (got.method, got.uri, got.version, got.body) == ("INFO", "sip:1001@h", "SIP/2.0", b"abc")
        got.validate()

    def test_a_response(self) -> None:
        got = parse_message(b"SIP/2.0 407 Proxy Authentication Required\r\n" + NEEDED + b"\r\n")
        assert isinstance(got, Response)
        assert (got.status, got.phrase, got.version) == (407, "Proxy Authentication Required", "SIP/2.0")
        got.validate()

    def test_headers_keep_order_and_spelling(self) -> None:
        got = request(b"x-B: 1\r\nVIA : 2\r\nX-a:3 \r\nv:\t4\r\nx-b:\r\n")
        assert list(got.headers) == [("x-B", "1"), ("VIA", "2"), ("X-a", "3"), ("v", "4"), ("x-b", "")]
        assert got.serialize() == (
            REQUEST + b"x-B: 1\r\nVIA: 2\r\nX-a: 3\r\nv: 4\r\nx-b: \r\nContent-Length: 0\r\n\r\n"
        )

    def test_odd_octets_survive(self) -> None:
        line = b"Subject: caf\xe9 \xc3\xbc \x07 \xff"
        assert line + b"\r\n" in request(line + b"\r\n").serialize()

    def test_headers_are_read_when_asked(self) -> None:
        got = request(b"Via: rubbish\r\nContact: <\r\nCall-ID: id\r\n")
        assert got.call_id == "id"
        with pytest.raises(ParseError):
            _ = got.via
        with pytest.raises(ParseError):
            _ = got.contacts


# The odd input measured against other libraries in research/ecosystem.md section 1: taken, and with the right value.
ODD = [
    ("compact", b"v: SIP/2.0/WS h\r\nf: <sip:a@b>\r\n", "from_", "<sip:a@b>"),
    ("upper case", b"FROM: <sip:a@b>\r\n", "from_", "<sip:a@b>"),
    ("lower case", b"call-id: X\r\n", "call_id", "X"),
    ("quoted utf-8", 'To: "Zoë" <sip:a@b>\r\n'.encode(), "to.display_name", "Zoë"),
    ("escaped quotes", b'To: "a \\"b\\"" <sip:a@b>\r\n', "to.display_name", 'a "b"'),
    ("comma in quotes", b'Contact: "A, B" <sip:a@b>, <sip:c@d>\r\n', "contact.display_name", "A, B"),
    ("tel", b"To: <tel:+1-201>\r\n", "to.uri", "tel:+1-201"),
    ("IPv6 URI", b"To: <sip:a@[2001:db8::1]:5070>\r\n", "to.uri.host", "[2001:db8::1]"),
    ("several contacts", b"Contact: <sip:a@b>\r\nm: <sip:c@d>\r\n", "contacts.1.uri", "sip:c@d"),
    ("folded", b"Subject: a\r\n  b\r\n\tc\r\nCSeq: 1\r\n INFO\r\n", "cseq", "1 INFO"),
    ("folded before the value", b"Contact:\r\n  <sip:a@b>\r\n", "contact", "<sip:a@b>"),
    ("latin-1", b"To: \xe9 <sip:a@b>\r\n", "to.display_name", "\udce9"),
    ("unquoted utf-8", "To: Zoë Ü <sip:a@b>\r\n".encode(), "to.display_name", "Zoë Ü"),
    ("unquoted comment", b"To: Acme (Sales) <sip:a@b>\r\n", "to.display_name", "Acme (Sales)"),
    ("blank before colon", b"To   : <sip:a@b>\r\n", "to", "<sip:a@b>"),
    ("star", b"Contact: *\r\n", "wildcard_contact", "True"),
    ("mailto", b"To: <mailto:a@b.c>\r\n", "to.uri", "mailto:a@b.c"),
    ("replaces in URI", b"Refer-To: <sip:a@b?Replaces=x%3Bto-tag%3D1>\r\n", "refer_to.uri.headers.0.1", "x;to-tag=1"),
    ("upper-case scheme", b"To: <SIP:a@b>\r\n", "to.uri", "sip:a@b"),
    ("underscore in host", b"To: <sip:a@my_host>\r\n", "to.uri.host", "my_host"),
    ("digit at the end of host", b"To: <sip:a@10-0-0-1.pod.k8s2>\r\n", "to.uri.host", "10-0-0-1.pod.k8s2"),
    ("feature code", b"To: <sip:*97#@b>\r\n", "to.uri.user", "*97#"),
    ("trailing semicolon", b"To: <sip:a@b>;tag=1;\r\n", "to.tag", "1"),
    ("trailing semicolon in Via", b"Via: SIP/2.0/UDP h;branch=z;\r\n", "via.branch", "z"),
    ("IPv6 in received", b"Via: SIP/2.0/UDP h;received=2001:db8::1;rport=1\r\n", "via.received", "2001:db8::1"),
    ("quotes in parameter", b'To: <sip:a@b>;x="a;b=c";tag=1\r\n', "to.tag", "1"),
    (
        "instance",
        b'Contact: <sip:a@b>;+sip.instance="<urn:uuid:1>"\r\n',
        "contact",
        '<sip:a@b>;+sip.instance="<urn:uuid:1>"',
    ),
    ("methods", b'Contact: <sip:a@b>;methods="INVITE,BYE"\r\n', "contact", '<sip:a@b>;methods="INVITE,BYE"'),
    ("no brackets", b"To: sip:a@b;tag=1\r\n", "to.tag", "1"),
    ("FreeSWITCH's Route", b"Route: <sip:a@127.0.0.1:5066>;transport=ws\r\n", "routes.0.uri", "sip:a@127.0.0.1:5066"),
]


def read(message: Message, path: str) -> object:
    value: object = message
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else getattr(value, step)  # type: ignore[index]
    return value


class TestOddInput:
    @pytest.mark.parametrize(("lines", "path", "want"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
    def test_headers(self, lines: bytes, path: str, want: str) -> None:
        got = request(lines)
        assert str(read(got, path)) == want
        again = parse_message(got.serialize())
        assert str(read(again, path)) == want

    @pytest.mark.parametrize(
        "line",
        [
            b"INVITE urn:service:sos SIP/2.0",
            b"INVITE http://h/x SIP/2.0",
            b"INVITE sip:a@b sip/2.0",
            b"INVITE SIP:a@b?Replaces=x SIP/2.0",
            b"INVITE tel:+1 SIP/2.0",
            b"SIP/2.0 200",
            b"SIP/2.0 200 ",
            b"sip/2.0 200 OK",
            "SIP/2.0 200 все хорошо".encode(),
        ],
    )
    def test_start_lines(self, line: bytes) -> None:
        got = parse_message(line + b"\r\n" + NEEDED.replace(b"INFO", b"INVITE") + b"\r\n")
        if isinstance(got, Request):
            assert got.target
        else:
            assert got.status == 200

    def test_challenges_with_commas(self) -> None:
        got = request(b'WWW-Authenticate: Digest realm="a, b", nonce="n", qop="auth,auth-int"\r\n')
        assert got.headers.values("WWW-Authenticate") == ['Digest realm="a, b"', 'nonce="n"', 'qop="auth,auth-int"']

    def test_keep_alives_before_it(self) -> None:
        assert parse_message(b"\r\n\r\n\n" + REQUEST + NEEDED + b"\r\n")

    def test_bare_line_feeds(self) -> None:
        text = (REQUEST + b"Subject: a\r\n b\r\n" + NEEDED + b"Content-Length: 4\r\n\r\n").replace(b"\r\n", b"\n")
        got = parse_message(text + b"\r\n\r\n")
        assert got.body == b"\r\n\r\n"
        assert got.headers.get("Subject") == "a b"
        got.validate()
        mixed = parse_message(REQUEST + b"A: 1\nB: 2\r\n\r\n")
        assert list(mixed.headers) == [("A", "1"), ("B", "2")]


class TestFraming:
    def test_what_follows_the_body_is_dropped(self) -> None:
        assert request(b"Content-Length: 3\r\n", b"abcINVITE sip:h SIP/2.0\r\n\r\n").body == b"abc"

    def test_without_length_all_is_body(self) -> None:
        assert request(b"A: 1\r\n", b"abc").body == b"abc"

    def test_the_same_length_twice(self) -> None:
        assert request(b"Content-Length: 3\r\nl: 3\r\n", b"abc").body == b"abc"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\r\n\r\n",
            b"\0",
            REQUEST,
            REQUEST + NEEDED,
            REQUEST + b"no colon\r\n\r\n",
            REQUEST + b"Via\r\n\r\n",
            REQUEST + b": x\r\n\r\n",
            REQUEST + b"a b: x\r\n\r\n",
            REQUEST + b"\xc3\xbc: x\r\n\r\n",
            REQUEST + b" Via: x\r\n\r\n",
            REQUEST + b"A: 1\r\n b\r\nno colon\r\n\r\n",
            REQUEST + b"A: 1\rB: 2\r\n\r\n",
            REQUEST + b"A: 1\0\r\n\r\n",
            REQUEST + b"Content-Length: 4\r\n\r\nabc",
            REQUEST + b"Content-Length: -1\r\n\r\n",
            REQUEST + b"Content-Length: 1_0\r\n\r\n0123456789",
            REQUEST + b"Content-Length:\r\n\r\n",
            REQUEST + b"Content-Length: 1\r\nl: 2\r\n\r\nabc",
            b"INVITE  sip:h SIP/2.0\r\n\r\n",
            b"INVITE sip:h SIP/2.0 \r\n\r\n",
            b"INVITE sip:a b SIP/2.0\r\n\r\n",
            b"INVITE <sip:a@b> SIP/2.0\r\n\r\n",
            b"INVITE sip:h\r\n\r\n",
            b"INVITE sip:h HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"IN\xc3\xbc sip:h SIP/2.0\r\n\r\n",
            b"SIP/2.0 4294967301 x\r\n\r\n",
            b"SIP/2.0 099 x\r\n\r\n",
            b"SIP/2.0 20 x\r\n\r\n",
            b"SIP/2.0 200OK\r\n\r\n",
            b"SIP/2.0 200 a\\\0\r\n\r\n",
        ],
    )
    def test_refused(self, data: bytes) -> None:
        with pytest.raises(ParseError) as caught:
            parse_message(data)
        assert isinstance(caught.value, OffhookError) and caught.value.status == 400

    def test_limits(self) -> None:
        with pytest.raises(ParseError) as caught:
            parse_message(REQUEST + NEEDED + b"\r\n" + b"x" * MAX_MESSAGE)
        assert caught.value.status == 413
        with pytest.raises(ParseError):
            request(b"A: 1\r\n" * (MAX_HEADERS + 1))
        assert len(request(b"A: 1\r\n" * MAX_HEADERS).headers) == MAX_HEADERS
        with pytest.raises(ParseError):
            request(b"A: " + b"x" * MAX_LINE + b"\r\n")
        with pytest.raises(ParseError):
            request(b"A: 1" + b"\r\n xxxx" * (MAX_LINE // 4) + b"\r\n")
        assert request(b"A: " + b"x" * (MAX_LINE - 3) + b"\r\nB: " + b"x" * 99 + b"\r\n")

    @pytest.mark.parametrize(
        "line",
        [
            b"A:" + b" " * 16_000,
            b"A: 1" + b"\r\n " * 20_000,
            b'To: "' + b"\\" * 16_000,
            b"To: " + b"<" * 16_000,
            b"To: <sip:" + b"a" * 8_000 + b"@" * 8_000,
            b"Contact: " + b'"",' * 5_000,
            b"Via: SIP/2.0/UDP h" + b";a" * 8_000,
            b"Via: SIP" + b" " * 16_000,
            b"CSeq: " + b"1" * 16_000,
            b"Expires: " + b"9" * 16_000,
        ],
    )
    def test_nothing_takes_long(self, line: bytes) -> None:
        started = time.perf_counter()
        try:
            read_everything(request(line + b"\r\n"))
        except ParseError:
            pass
        assert time.perf_counter() - started < 1.0


class TestStream:
    def message(self, body: bytes = b"") -> bytes:
        return REQUEST + NEEDED + b"l: %d\r\n\r\n" % len(body) + body

    def test_octet_by_octet(self) -> None:
        stream = b"\r\n\r\n" + self.message(b"abc") + b"\r\n" + self.message() + self.message(b"\r\n\r\n")
        parser = StreamParser()
        got = [it for at in range(len(stream)) for it in parser.receive(stream[at : at + 1])]
        assert [it.body for it in got if isinstance(it, Request)] == [b"abc", b"", b"\r\n\r\n"]
        assert [it for it in got if isinstance(it, KeepAlive)] == [KeepAlive(False)] * 3

    def test_all_at_once(self) -> None:
        stream = (
            b"\r\n\r\n" + self.message(b"abc") + b"\r\n" + self.message() + self.message(b"\r\n\r\n") + b"\r\n\r\n\r\n"
        )
        got = StreamParser().receive(stream)
        assert [it.body if isinstance(it, Request) else it for it in got] == [
            KeepAlive(True),
            b"abc",
            KeepAlive(False),
            b"",
            b"\r\n\r\n",
            KeepAlive(True),
            KeepAlive(False),
        ]

    @given(st.lists(st.binary(max_size=30), max_size=4), st.lists(st.integers(1, 80), max_size=30))
    def test_any_cutting_gives_the_same(self, bodies: list[bytes], cuts: list[int]) -> None:
        stream = b"".join(self.message(body) for body in bodies)
        parser, got, at = StreamParser(), [], 0
        for cut in [*cuts, len(stream)]:
            got += parser.receive(stream[at : at + cut])
            at += cut
        assert [it.body for it in got if isinstance(it, Request)] == bodies

    @pytest.mark.parametrize(
        "stream",
        [
            REQUEST + NEEDED + b"\r\n",
            REQUEST + NEEDED + b"l: 1\r\nl: 2\r\n\r\n",
            REQUEST + b"A: 1\nB: 2\r\nl: 0\r\n\r\n",
            REQUEST + b"l: %d\r\n\r\n" % MAX_MESSAGE,
            b"x" * (MAX_MESSAGE + 1),
            b"rubbish\r\n\r\n",
        ],
    )
    def test_refused(self, stream: bytes) -> None:
        with pytest.raises(ParseError):
            StreamParser().receive(stream)

    def test_a_long_wait_costs_little(self) -> None:
        parser = StreamParser()
        started = time.perf_counter()
        for _ in range(MAX_MESSAGE):
            parser.receive(b"x")
        assert time.perf_counter() - started < 2.0


LINES = st.lists(
    st.sampled_from(
        [
            *(
                b"Via: ",
                b"v:",
                b"From: ",
                b"To: ",
                b"Contact: ",
                b"CSeq: ",
                b"Call-ID: ",
                b"Route: ",
                b"Content-Length: ",
            ),
            *(
                b"Max-Forwards: ",
                b"Replaces: ",
                b"Reason: ",
                b"Session-Expires: ",
                b"Event: ",
                b"Refer-To: ",
                b"Date: ",
            ),
            *(
                b"\r\n",
                b"\r\n ",
                b"\n",
                b"\r",
                b"\0",
                b'"',
                b"\\",
                b"<",
                b">",
                b";",
                b",",
                b"=",
                b" ",
                b"1",
                b"4294967296",
            ),
            *(b"SIP/2.0/UDP h", b"sip:a@b", b"SIP/2.0 200", b"INVITE sip:a SIP/2.0\r\n", b"\r\n\r\n", b"%41", b"?a=b"),
            *(b"\xc3\xbc", b"\xff", b"tag", b"*", b"[::1]", b"GMT", b"@", b":"),
        ]
    ),
    max_size=25,
).map(b"".join)


class TestAnyOctets:
    @given(st.binary(max_size=200) | LINES)
    @example(b'SIP/2.0 200 \r\nTo: "\\\0" <sip:x>\r\nCall-ID: \\\0\r\nReason: x;text="\\\0"\r\n\r\n')
    def test_only_parse_errors(self, data: bytes) -> None:
        for given_data in (data, b"INVITE sip:a@b SIP/2.0\r\n" + data, b"SIP/2.0 200 OK\r\n" + data + b"\r\n\r\n"):
            try:
                message = parse_message(given_data)
            except ParseError:
                continue
            read_everything(message)
            try:
                message.validate()
            except ParseError:
                pass
            written = message.serialize()
            again = parse_message(written)
            assert again.serialize() == written
            assert [pair for pair in again.headers if pair[0].lower() not in ("content-length", "l")] == [
                pair for pair in message.headers if pair[0].lower() not in ("content-length", "l")
            ]

    @given(st.lists(st.binary(max_size=60) | LINES, max_size=5))
    def test_streams_too(self, pieces: list[bytes]) -> None:
        parser = StreamParser()
        try:
            for piece in pieces:
                parser.receive(piece)
        except ParseError:
            pass

    @given(
        st.lists(
            st.tuples(
                st.from_regex(r"X-[A-Za-z0-9\-.!%*_+`'~]{1,12}", fullmatch=True),
                st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")),
            ),
            max_size=6,
        ),
        st.binary(max_size=40),
    )
    def test_what_is_written_can_be_read(self, pairs: list[tuple[str, str]], body: bytes) -> None:
        written = Request("MESSAGE", "sip:a@b", pairs, body).serialize()
        got = parse_message(written)
        assert list(got.headers)[:-1] == [(name, value.strip(" \t")) for name, value in pairs]
        assert got.body == body
        assert got.serialize() == written
