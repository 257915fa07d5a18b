from __future__ import annotations

import pytest

from offhook.switch.causes import Cause
from offhook.switch.dialplan import (
    Answer,
    AskDigits,
    CallUser,
    Eavesdrop,
    EnterQueue,
    Hangup,
    JoinConference,
    Monitor,
    Redirect,
    Respond,
    SendBack,
    Sleep,
    Step,
    Transfer,
    queue_headers,
    steps_for,
)


@pytest.mark.parametrize(
    ("number", "steps"),
    [
        ("1000", (CallUser("1000", early_media=True),)),
        ("1019", (CallUser("1019", early_media=True),)),
        ("6001", (CallUser("1001", queue_headers=True),)),
        ("71001", (CallUser("1001", auto_answer=True),)),
        ("5000", (Answer(), Sleep(0.5), AskDigits())),
        ("9196", (Answer(), SendBack())),
        ("9199", (Answer(), Sleep(3.0), Hangup())),
        ("9486", (Hangup(Cause.USER_BUSY),)),
        ("9302", (Redirect("9196"),)),
        ("8488", (Respond(488),)),
        ("3007", (Answer(), JoinConference("3007"))),
        ("*441001", (Monitor("1001"),)),
        ("*44alice", (Monitor("alice"),)),
        ("779", (Eavesdrop(None),)),
        ("881001", (Eavesdrop("1001"),)),
        ("99887766-support", (EnterQueue("support", "99887766"),)),
        ("a.b-support", (EnterQueue("support", "a.b"),)),
        ("menu_3", (Transfer("5900"),)),
        ("menu_1", (Transfer("9196"),)),
        ("menu_1003", (Transfer("1003"),)),
        ("menu_9", (Hangup(),)),
        ("menu_77", (AskDigits(),)),
        ("menu_", (Hangup(),)),
    ],
)
def test_numbers(number: str, steps: tuple[Step, ...]) -> None:
    assert steps_for(number) == steps


@pytest.mark.parametrize(
    "number",
    [
        "",
        "4999",
        "10000",
        "100",
        "8200",
        "1000\n",
        "5901",
        "30000",
        "١٠٠٠",
        "menu",
        "*44",
        "*441001-x y",
        "881020",
        "1-",
        "-support",
        "1-2-3",
    ],
)
def test_the_rest_is_unknown(number: str) -> None:
    assert steps_for(number) == ()


@pytest.mark.parametrize(
    "number", ["9195", "9197", "9664", "9192", "9180", "9181", "9189", "9603", "9404", "9480", "9503", "9408", "8603"]
)
def test_numbers_that_are_there(number: str) -> None:
    assert steps_for(number) != steps_for("4999")


def test_headers_of_a_queue() -> None:
    made = queue_headers("uuid", "6001", "1000", {"X-Customer": "abc", "X-Call-Variable0": "cust-42"})
    assert made[:7] == [
        ("X-Customer", "abc"),
        ("X-Call-Id", "uuid"),
        ("X-Destination-Number", "6001"),
        ("X-Queue", "support"),
        ("X-Queuetype", "NAME"),
        ("X-CallType", "ACD"),
        ("X-Call-Variable0", "cust-42"),
    ]
    assert made[-1] == ("X-Call-Variable9", "value-9") and len(made) == 16
    assert dict(queue_headers("u", "6001", "1000", {"X-CallType": "OUT"}))["X-CallType"] == "OUT"
    assert dict(queue_headers("u", "6001", "1000", {}))["X-Call-Variable0"] == "1000"
