"""Words, quoted strings, lists and parameters."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import LocalError, ParseError
from offhook.sip import grammar
from offhook.sip.grammar import NO_PARAMETERS, Parameters, capped_number, check_text, escape, key, number, quote
from offhook.sip.uri import UriParameters


@pytest.mark.parametrize(
    ("name", "found"),
    [("Via", "via"), ("v", "via"), ("V", "via"), ("cALL-iD", "call-id"), ("i", "call-id"), ("X-Queue", "x-queue")],
)
def test_key_knows_case_and_compact_forms(name: str, found: str) -> None:
    assert key(name) == found
    assert key(name) == found  # from memory


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä", "a\0", '"a"'])
def test_key_refuses_what_is_no_token(name: str) -> None:
    with pytest.raises(ParseError):
        key(name)


def test_names_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "_KEYS_LIMIT", 0)
    assert key("X-Never-Kept") == "x-never-kept"
    assert grammar.known_key("X-Never-Kept") is None
    monkeypatch.undo()
    assert key("X-" + "long" * 30) == "x-" + "long" * 30
    assert grammar.known_key("X-" + "long" * 30) is None


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b", "\ud800"])
def test_text_that_breaks_a_line_is_refused(text: str) -> None:
    with pytest.raises(LocalError):
        check_text(text, "it")


def test_text_of_any_other_kind_passes() -> None:
    assert check_text("grüß \udcff\t", "it") == "grüß \udcff\t"


def test_numbers() -> None:
    assert number("0068", "it") == 68
    assert number("4294967295", "it") == 2**32 - 1
    for text in ("", "-1", "+1", " 1", "1.5", "٣", "4294967296", "9" * 10_000):
        with pytest.raises(ParseError):
            number(text, "it")
    assert capped_number("5", "it") == 5
    assert capped_number("9" * 30, "it") == 2**32 - 1
    assert capped_number("9" * 10_000, "it") == 2**32 - 1
    with pytest.raises(ParseError):
        capped_number("soon", "it")


def test_quoted_strings() -> None:
    assert quote('a "b" \\c') == '"a \\"b\\" \\\\c"'
    assert grammar.unquote('"a \\"b\\" \\\\c"') == 'a "b" \\c'
    assert grammar.unquote("plain") == "plain"
    assert grammar.unquote('"') == '"'
    assert quote("a\r\nb\0\ud800ü\udcff") == '"a  b  ü\udcff"'


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_quoted_strings_come_back(text: str) -> None:
    assert grammar.unquote(quote(text)) == text
    assert grammar.end_of_quoted(quote(text) + "rest", 0) == len(quote(text))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a, b ,c", ["a", "b", "c"]),
        ("a", ["a"]),
        ('"a"', ['"a"']),
        ('"a, \\"b" <x,y>;p="1,2" , <z>', ['"a, \\"b" <x,y>;p="1,2"', "<z>"]),
        ("", [""]),
        ('"a",,', ['"a"', "", ""]),
    ],
)
def test_split_keeps_quotes_and_brackets_whole(text: str, pieces: list[str]) -> None:
    assert grammar.split(text, ",") == pieces


@pytest.mark.parametrize("text", ['"a, b', "a, <b, c", '<a>, "b\\"'])
def test_split_refuses_what_does_not_end(text: str) -> None:
    with pytest.raises(ParseError):
        grammar.split(text, ",")


def test_escapes() -> None:
    unsafe = re.compile("[^a-z]")
    assert escape("a ü\udcff\ud800", unsafe) == "a%20%C3%BC%FF%3F"
    assert grammar.unescape("a%20%C3%BC%FF%zz%2") == "a ü\udcff%zz%2"


class TestParameters:
    def test_reading(self) -> None:
        got = Parameters.parse(';Tag=x;lr;q="a;b=c, \\"d\\"";empty=')
        assert got.get("tag") == "x"
        assert got.get("lr", "default") is None
        assert got.get("q") == 'a;b=c, "d"'
        assert got.get("empty") == ""
        assert got.get("none", "default") == "default"
        assert "LR" in got and "none" not in got and 1 not in got
        assert list(got) == [("Tag", "x"), ("lr", None), ("q", 'a;b=c, "d"'), ("empty", "")]
        assert len(got) == 4

    def test_writing_keeps_spelling(self) -> None:
        text = ';+sip.instance="<urn:uuid:1>";methods="INVITE,BYE";X=a%41;lr'
        assert str(Parameters.parse(text)) == text
        assert Parameters.parse(text).get("+sip.instance") == "<urn:uuid:1>"

    @pytest.mark.parametrize("text", ["", ";", " ", " ; "])
    def test_nothing_is_no_error(self, text: str) -> None:
        assert len(Parameters.parse(text)) == 0
        assert str(Parameters.parse(text)) == ""

    def test_blanks_and_a_last_semicolon(self) -> None:
        got = Parameters.parse("; newparam =\t newvalue ;\tsecondparam ; q = 0.33;")
        assert str(got) == ";newparam=newvalue;secondparam;q=0.33"
        assert str(Parameters.parse("a=1;b")) == ";a=1;b"
        assert Parameters.parse(";text=Call completed ; x").get("text") == "Call completed"

    @pytest.mark.parametrize(
        "text",
        [";;a", ";a;;", ";=1", ";a=b=\x01", ';a="b', ';a="b"c', ";a b=1", ";a=<b>", ";a=1,b", ';a="\0"', ";\x7f"],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(ParseError):
            Parameters.parse(text)

    def test_building(self) -> None:
        got = Parameters({"tag": "abc", "lr": None, "text": 'so "so"', "empty": ""})
        assert str(got) == ';tag=abc;lr;text="so \\"so\\"";empty=""'
        with pytest.raises(LocalError):
            Parameters([("a;b", None)])
        assert str(Parameters([("text", "a\r\nVia: x")])) == ';text="a  Via: x"'

    def test_changing_makes_copies(self) -> None:
        got = Parameters.parse(";a=1;Tag=2;b")
        assert str(got.replaced("tag", "3")) == ";a=1;tag=3;b"
        assert str(got.replaced("c", None)) == ";a=1;Tag=2;b;c"
        assert str(got.without("TAG", "zz")) == ";a=1;b"
        assert str(got) == ";a=1;Tag=2;b"

    def test_equality(self) -> None:
        assert Parameters.parse(";a=1;B") == Parameters.parse(";b;A=1")
        assert hash(Parameters.parse(";a=1;B")) == hash(Parameters.parse(";b;A=1"))
        assert Parameters.parse(";a=1") != Parameters.parse(";a=2")
        assert Parameters.parse(";a=1") != ";a=1"
        assert NO_PARAMETERS == UriParameters()

    def test_repr_shows_names_only(self) -> None:
        assert repr(Parameters.parse(";phone=12345;lr")) == "Parameters(phone, lr)"

    @given(st.text(max_size=60))
    def test_reading_raises_nothing_else(self, text: str) -> None:
        try:
            got = Parameters.parse(text)
        except ParseError:
            return
        assert Parameters.parse(str(got)) == got
        check_text(str(got), "parameters")

    @given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.none() | st.text()), max_size=4))
    def test_what_is_built_can_be_read(self, pairs: list[tuple[str, str | None]]) -> None:
        got = Parameters.parse(check_text(str(Parameters(pairs)), "parameters"))
        assert [name for name, _ in got] == [name for name, _ in pairs]


@pytest.mark.parametrize(
    "text",
    [
        '"' * 20_001,
        "<" * 20_000,
        '";' * 20_000,
        ";" * 20_000,
        "\\" * 20_000,
        ' \t="' * 5_000,
        ";a= " * 5_000,
        '"\\' * 20_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.perf_counter()
    for separator in ",;":
        try:
            grammar.split(text, separator)
        except ParseError:
            pass
    try:
        Parameters.parse(text)
    except ParseError:
        pass
    assert time.perf_counter() - started < 0.5
