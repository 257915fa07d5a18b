"""Reading an INVITE, writing one: contract §3, RB §4.3, §4.7."""

from __future__ import annotations

import pytest

from offhook.cti.dialect import FreeSwitch, call_variables, readable
from offhook.errors import RemoteError
from offhook.sip.headers import Headers
from offhook.sip.message import Request

DIALECT = FreeSwitch()
UUID = "6c0f9c5e-8d5a-4b0e-9d5e-111122223333"


def invite(*headers: tuple[str, str], from_: str = '"Eve" <sip:5551234@pbx>;tag=1') -> Request:
    return Request("INVITE", "sip:1000@pbx", Headers([("From", from_), *headers]))


def test_headers_are_read_whatever_their_case() -> None:
    told = DIALECT.read(
        invite(
            ("x-call-id", "crm-42"),
            ("X-CALLTYPE", "Consult"),
            ("x-Destination-number", "800"),
            ("X-QUEUE", "support"),
            ("X-QueueType", "NAME"),
            ("X-MEDIA-TYPE", "audio"),
            ("X-Customernumber", "555"),
            ("Call-Info", "<sip:127.0.0.1>;answer-after=2"),
        )  # fmt: skip
    )
    assert (told.call_id, told.call_type, told.destination, told.queue) == ("crm-42", "CONSULT", "800", "support")
    assert (told.queue_type, told.media_type, told.customer, told.answer_after) == ("NAME", "audio", "555", 2.0)
    assert told.number == "5551234"


def test_nothing_there() -> None:
    told = DIALECT.read(invite(("X-Queue", "Nil"), ("X-Queuetype", "Nil"), ("X-Call-Id", " "), from_="<sip:pbx>;tag=1"))
    assert (told.call_id, told.call_type, told.queue, told.queue_type, told.answer_after) == (None,) * 5
    assert told.number == "anonymous"
    assert told.variables == ()


@pytest.mark.parametrize(
    ("from_", "number"),
    [
        ("sip:5551234@pbx;tag=1", "5551234"),
        ("<tel:+49301234567;phone-context=x>;tag=1", "+49301234567"),
        ("<sip:%2b49@pbx>;tag=1", "+49"),
    ],
)
def test_a_from_without_a_display_name_loses_nothing(from_: str, number: str) -> None:
    """RB §8.17: the reference lost the call."""
    assert DIALECT.read(invite(from_=from_)).number == number


def test_a_from_that_cannot_be_read() -> None:
    with pytest.raises(RemoteError):
        DIALECT.read(invite(from_="<<<"))


@pytest.mark.parametrize(
    ("name", "headers", "variables"),
    [
        ("", {}, {}),
        ("Eve", {0: "zero", 1: "one", 9: "nine"}, {0: "zero", 1: "one", 9: "nine"}),
        ("Eve", {}, {}),
        ("conference", {1: "one"}, {0: "", 1: "one"}),
        (UUID, {}, {0: UUID}),
        (UUID, {0: "zero", 1: "one"}, {0: UUID, 1: "one"}),
        (f"{UUID}|a|b", {2: "two", 3: "three"}, {0: UUID, 1: "a", 2: "b", 3: "three"}),
        ("Eve|a", {0: "zero"}, {0: "zero", 1: "a"}),
        ("Eve|Müller|", {}, {1: "Müller", 2: ""}),
        ("|".join("abcdefghijkl"), {}, dict(enumerate("bcdefghij", 1))),
    ],
)
def test_call_variables(name: str, headers: dict[int, str | None], variables: dict[int, str]) -> None:
    assert call_variables(name, headers) == tuple((f"callVariable{at}", value) for at, value in variables.items())


def test_variables_by_header() -> None:
    told = DIALECT.read(invite(("X-Call-Variable0", "zero"), ("x-call-variable9", "nine"), ("X-Call-Variable10", "no")))
    assert told.variables == (("callVariable0", "zero"), ("callVariable9", "nine"))


@pytest.mark.parametrize(
    ("info", "seconds"),
    [
        ("<sip:x>;answer-after=0", 0.0),
        ("<sip:x>; Answer-After = 15", 15.0),
        ("<sip:x>;answer-after=-1", None),
        ("<sip:x>;answer-after=99999", None),
        ("<sip:x>;answer-after=1.5", None),
        ("<sip:x>;no-answer-after=x", None),
    ],
)
def test_answer_after(info: str, seconds: float | None) -> None:
    assert DIALECT.read(invite(("Call-Info", info))).answer_after == seconds


def test_text_that_is_no_utf8_can_be_told() -> None:
    assert readable("Müller") == "Müller"
    assert readable("M\udcffller").encode() == "M\ufffdller".encode()
    assert DIALECT.read(invite(("X-Queue", "\udcff"))).queue == "\ufffd"


def test_what_a_call_says() -> None:
    assert DIALECT.call_headers("800", "audio") == [
        ("X-Destination-Number", "800"),
        ("X-Media-Type", "audio"),
        ("X-Calltype", "OUT"),
    ]
    assert DIALECT.digit("#", 160) == ("application/dtmf-relay", "Signal=#\r\nDuration=160\r\n")


def test_what_a_consult_says() -> None:
    headers = DIALECT.consult_headers("5551234", "800", "d1")
    told = DIALECT.read(invite(*headers))
    assert (told.call_type, told.customer, told.destination, told.media_type) == ("CONSULT", "5551234", "800", "audio")
    assert told.customer_dialog == "d1"
    assert DIALECT.read(invite()).customer_dialog is None
    assert DIALECT.queue_headers("support", "NAME") == [
        ("X-queueTransfer", "support"),
        ("X-queueTypeTransfer", "NAME"),
    ]


@pytest.mark.parametrize(
    ("support", "tells"),
    [(None, False), ("send_info", False), ("update_display,send_info", True), ("UPDATE_DISPLAY", True)],
)
def test_whether_the_server_tells_who_takes_a_call(support: str | None, tells: bool) -> None:
    response = invite().response(200)
    if support is not None:
        response.headers.add("X-FS-Support", support)
    assert DIALECT.tells_agent(response) is tells
