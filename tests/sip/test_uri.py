"""URIs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import LocalError, ParseError
from offhook.sip.grammar import check_text
from offhook.sip.uri import Uri, UriParameters


def test_all_parts() -> None:
    got = Uri.parse("sips:al%69ce:se%63ret@Example.com:5061;transport=TLS;lr?Subject=a%20b&X=")
    assert got.scheme == "sips"
    assert (got.user, got.password) == ("alice", "secret")
    assert (got.host, got.port) == ("Example.com", 5061)
    assert got.parameters.get("Transport") == "TLS"
    assert "lr" in got.parameters
    assert got.headers == (("Subject", "a b"), ("X", ""))
    assert (got.header("subject"), got.header("x"), got.header("y")) == ("a b", "", None)
    assert got.opaque is None


@pytest.mark.parametrize(
    "text",
    [
        "sip:example.com",
        "sip:1000@127.0.0.1:5060;transport=udp",
        "sip:*97#@pbx",
        "sip:sips%3Auser%40example.com@example.net",
        "sip:user;par=u%40example.net@example.com",
        "sip:+15550100;ext=7@example.com;user=phone",
        "sip:a:b@c",
        "sip:a:@c",
        "sip:@c",
        "sip:[2001:db8::1]:5070;maddr=[::1]",
        "sip:[2001:db8:::192.0.2.1]",
        "sip:[fe80::1%25eth0]",
        "sip:a_b.10-0-0-1.pod.k8s2",
        "sip:null-%00-null@example.com",
        "sip:%FF@h",
        "sip:a@h;%6C%72;n%61me=v%61lue%25%34%31;x",
        "sip:a@h?Replaces=id%40host%3Bto-tag%3D1%3Bfrom-tag%3D2",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "tel:+1-201-555-0123;phone-context=x",
        "urn:service:sos",
        "mailto:a@b.c",
        "http://www.example.com/a?b=c",
        "soap.beep://192.0.2.103:3002",
    ],
)
def test_writes_what_it_read(text: str) -> None:
    got = Uri.parse(text)
    assert str(got) == text
    assert Uri.parse(str(got)) == got


def test_scheme_is_found_in_any_case() -> None:
    assert str(Uri.parse("SIP:a@b")) == "sip:a@b"
    assert Uri.parse("TEL:+1") == Uri("tel", opaque="+1")


def test_escapes_are_resolved() -> None:
    assert Uri.parse("sip:sips%3Auser%40example.com@h").user == "sips:user@example.com"
    assert Uri.parse("sip:user;par=u%40example.net@h").user == "user;par=u@example.net"
    assert Uri.parse("sip:%C3%BC%FF%zz@h").user == "ü\udcff%zz"
    parameters = Uri.parse("sip:a@h;%6C%72;n%61me=v%61lue%25%34%31").parameters
    assert "lr" in parameters
    assert parameters.get("name") == "value%41"
    assert list(parameters.replaced("lr", None).without("name")) == [("lr", None)]


def test_an_unescaped_at_sign_in_headers_is_let_pass() -> None:
    got = Uri.parse("sip:1002@h?Replaces=id@host%3Bto-tag=1")
    assert (got.user, got.host) == ("1002", "h")
    assert got.header("Replaces") == "id@host;to-tag=1"
    assert str(got) == "sip:1002@h?Replaces=id%40host%3Bto-tag%3D1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "1000",
        "alan@jasomi.com",
        "sip:a b@c",
        "sip:a@b c",
        "sip:a@b\r\nVia: x",
        "sip:a\0@b",
        "sip:a@",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:65536",
        "sip:a@b:123456",
        "sip:2001:db8::10",
        "sip:[2001:db8::1",
        "sip:a@b@c",
        "sip:a@b;;c",
        'sip:a@b;c="d"',
        "sip:a@b?=c",
        "<sip:a@b>",
        "sip:a@h<b>",
        "tel:",
        "te l:1",
        "1tel:1",
        "tel:\r\n1",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Uri.parse(text)


@pytest.mark.parametrize(
    ("user", "written"),
    [
        ("1000", "1000"),
        ("*97#", "*97%23"),
        ("a@evil.example;x=1?Route=y", "a%40evil.example%3Bx=1%3FRoute=y"),
        ("a>\r\nVia: x", "a%3E%0D%0AVia%3A%20x"),
        ("<sip:b>", "%3Csip%3Ab%3E"),
        ('"\0', "%22%00"),
        ("ü\ud800", "%C3%BC%3F"),
        ("", ""),
    ],
)
def test_a_built_user_can_become_nothing_else(user: str, written: str) -> None:
    assert str(Uri.sip(user, "h")) == f"sip:{written}@h"


def test_building() -> None:
    assert str(Uri.sip("a", "h", 5060, transport="ws", lr=None)) == "sip:a@h:5060;transport=ws;lr"
    assert str(Uri.sip(None, "[::1]")) == "sip:[::1]"
    assert str(Uri.sip("a", "h", x="b;c=d")) == "sip:a@h;x=b%3Bc%3Dd"
    assert str(Uri("sip", "a", "p:w", "h")) == "sip:a:p%3Aw@h"
    for host in ("", "a b", "a@b", "a;b", "h\r\n"):
        with pytest.raises(LocalError):
            Uri.sip("a", host)
    for port in (-1, 65536):
        with pytest.raises(LocalError):
            Uri.sip("a", "h", port)


def test_another_user_is_written_anew() -> None:
    got = Uri.parse("sip:+1;ext=2:pw@h")
    assert str(replace(got, user="1000")) == "sip:1000:pw@h"
    assert str(replace(got, password=None)) == "sip:+1%3Bext=2@h"
    assert str(replace(got, user=None, password=None)) == "sip:h"
    assert str(replace(got, host="x", parameters=UriParameters())) == "sip:+1;ext=2:pw@x"


def test_repr_hides_who() -> None:
    assert "1000" not in repr(Uri.parse("sip:1000:geheim@h?X=1000")) + repr(Uri.parse("tel:1000"))
    assert "geheim" not in repr(Uri.parse("sip:1000:geheim@h"))


@given(st.text(max_size=40) | st.from_regex(r"sips?:[a-z%:;@.?&=0-9\[\]]{0,30}", fullmatch=True))
def test_reading_raises_nothing_else_and_writing_comes_back(text: str) -> None:
    try:
        got = Uri.parse(text)
    except ParseError:
        return
    assert Uri.parse(check_text(str(got), "the URI")) == got


@given(st.text(), st.text())
def test_any_text_can_be_a_user_or_parameter(user: str, value: str) -> None:
    text = str(Uri.sip(user, "h", x=value))
    assert text.isascii() and not set(text) & set('\r\n\0<>" ')
    got = Uri.parse(text)
    assert got.host == "h" and got.headers == () and len(got.parameters) == 1
    assert (
        got.user == user.encode("utf-8", "replace").decode()
        or "\udc80" <= max(user) <= "\udfff"
        or "\ud800" <= max(user)
    )
