"""What may be dialled: contract §7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.cti.numbering import reachable, refuse_number, refuse_text
from offhook.sip.uri import Uri


@pytest.mark.parametrize(
    "number", ["1000", "+49301234567", "9196", "*98", "#31#1234", "al.ice-x_y~", "0800(1)!", "*45"]
)
def test_numbers_that_are_dialled(number: str) -> None:
    assert refuse_number(number, "*44") is None


@pytest.mark.parametrize(
    "number",
    [
        "",
        " ",
        "10 01",
        "1@evil",
        "1;user=phone",
        "1?X=y",
        "<1>",
        "1\r\nX: y",
        "1\x00",
        "1:2",
        '"1"',
        "%40",
        "é",
        "1" * 65,
    ],
)
def test_numbers_that_are_not(number: str) -> None:
    why = refuse_number(number, "*44")
    assert why is not None
    assert (why.type, why.code) == ("generalError", "invalid-number")
    assert why.description == f"Invalid target Uri:{number}"


@pytest.mark.parametrize("number", ["(*44)1001", "*-4.4-1001", "+*441001", "*4/41001", "~*44", "*4=4,1001"])
def test_separators_do_not_hide_the_prefix(number: str) -> None:
    why = refuse_number(number, "*44")
    assert why is not None and why.code == "monitoring-number"
    told = refuse_text("Destination_Number", number, "*44")
    assert told is not None and told.code == "monitoring-number"


def test_a_prefix_of_letters_or_none() -> None:
    for number in ("spy-1001", "SPY1001"):
        why = refuse_number(number, "spy")
        assert why is not None and why.code == "monitoring-number"
    assert refuse_number("1001", "-") is None
    assert refuse_text("Destination_Number", "Großhandel *44", "*44") is None


def test_the_monitoring_prefix_is_refused() -> None:
    why = refuse_number("*441001", "*44")
    assert why is not None and why.code == "monitoring-number"
    assert refuse_number("*441001", "") is None


@given(st.text(max_size=70))
def test_what_is_dialled_stays_the_user_of_its_uri(number: str) -> None:
    if refuse_number(number, "*44") is None:
        uri = Uri.parse(str(Uri.sip(number, "pbx")))
        assert (uri.user, uri.host, uri.port, uri.headers) == (number, "pbx", None, ())
        assert not uri.parameters


@pytest.mark.parametrize("text", ["\r\nX: y", "a\nb", "a\x00", "", "x" * 129, "\x7f", "\u2028", "\ud800"])
def test_text_that_cannot_be_a_header(text: str) -> None:
    why = refuse_text("Destination_Number", text)
    assert why is not None
    assert (why.code, "Destination_Number" in why.description) == ("invalid-parameter", True)


def test_text_that_can() -> None:
    assert refuse_text("Destination_Number", "Großhandel 7; x=y") is None


def test_several_prefixes() -> None:
    for number in ("*441000", "*01000", "**1000", "*8", "%2A8", "*4-41000"):
        assert refuse_number(number, "*44", "*0", "**", "*8") is not None
    assert refuse_number("1000", "*44", "*0", "**", "*8") is None
    assert refuse_text("Destination_Number", "**1000", "*44", "**") is not None


@pytest.mark.parametrize(
    ("number", "may_be_sent_to"),
    [
        ("1000", True),
        ("+15551234", True),
        ("a.b_c-1", True),
        ("api+hupall", False),
        ("api%20x", False),
        ("1000;x", False),
        ("", False),
        ("*441000", False),
        ("*4-41000", False),
        ("a@b", False),
        ("1\n", False),
        ("1" * 65, False),
    ],
)
def test_numbers_that_peers_wrote(number: str, may_be_sent_to: bool) -> None:
    assert reachable(number, "*44") is may_be_sent_to
