"""Header lines: their order, their spelling, and what cannot stand in them."""

from __future__ import annotations

import pytest

from offhook.errors import LocalError
from offhook.sip.headers import Headers

BAD_VALUES = ["a\rb", "a\nb", "a\0b", "a\r\nVia: SIP/2.0/UDP evil", "\ud800"]


class TestHeaders:
    def test_order_and_spelling_are_kept(self) -> None:
        pairs = [("X-b", "1"), ("VIA", "a"), ("x-a", " 2 "), ("v", "b"), ("X-B", "3")]
        headers = Headers(pairs)
        assert list(headers) == [("X-b", "1"), ("VIA", "a"), ("x-a", "2"), ("v", "b"), ("X-B", "3")]
        assert len(headers) == 5

    def test_looking_up(self) -> None:
        headers = Headers([("v", 'a, "b,c" , '), ("VIA", "d"), ("Subject", "x, y")])
        assert headers.get("via") == 'a, "b,c" ,'
        assert headers.all("Via") == ['a, "b,c" ,', "d"]
        assert headers.values("V") == ["a", '"b,c"', "d"]
        assert headers.get("To") is None
        assert headers.all("no token") == []
        assert "s" in headers and "To" not in headers and "" not in headers and 1 not in headers

    def test_all_gives_a_list_of_its_own(self) -> None:
        headers = Headers([("Via", "a")])
        headers.all("Via").append("b")
        assert headers.all("Via") == ["a"]

    def test_changing(self) -> None:
        headers = Headers([("A", "1"), ("m", "2"), ("B", "3"), ("Contact", "4")])
        headers.set("contact", " 5 ")
        assert list(headers) == [("A", "1"), ("m", "5"), ("B", "3")]
        headers.set("C", "6")
        headers.remove("a")
        headers.remove("not there")
        assert list(headers) == [("m", "5"), ("B", "3"), ("C", "6")]

    def test_copies_are_apart(self) -> None:
        headers = Headers([("A", "1")])
        other = headers.copy()
        assert other == headers and headers != "A"
        other.add("B", "2")
        assert "B" not in headers and other != headers

    @pytest.mark.parametrize("value", BAD_VALUES)
    def test_a_value_that_breaks_the_line_is_refused(self, value: str) -> None:
        headers = Headers([("X", "1")])
        for change in (headers.add, headers.set):
            with pytest.raises(LocalError):
                change("X", value)
        with pytest.raises(LocalError):
            Headers([("X", value)])
        assert list(headers) == [("X", "1")]

    @pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ü"])
    def test_a_name_that_is_none_is_refused(self, name: str) -> None:
        headers = Headers()
        for change in (headers.add, headers.set):
            with pytest.raises(LocalError):
                change(name, "1")
        assert not list(headers)

    def test_repr_shows_names_only(self) -> None:
        assert repr(Headers([("From", "1000")])) == "Headers(From)"
