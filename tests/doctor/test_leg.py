"""One call of a handset, and its line, as data."""

from __future__ import annotations

import pytest

from offhook.doctor.leg import LISTENED_FRAMES, Leg, Line
from offhook.sip.events import End, SessionEnded
from offhook.sip.fields import Reason


def ended(end: End, status: int | None = None, phrase: str | None = None, *reasons: Reason) -> SessionEnded:
    return SessionEnded("x", end, True, status, phrase, reasons)


@pytest.mark.parametrize(
    ("end", "refusal", "status"),
    [
        (None, "no answer", 0),
        (ended(End.REFUSED, 486, "Busy Here"), "486 Busy Here", 486),
        (ended(End.REFUSED, 480, "x", Reason("SIP", 480, "NO_CALL")), "480 x (NO_CALL)", 480),
        (ended(End.REFUSED, 403, "Forbidden", Reason("SIP", 403, "Forbidden")), "403 Forbidden", 403),
        (ended(End.BYE), "BYE", 0),
    ],
)
def test_how_a_call_ended(end: SessionEnded | None, refusal: str, status: int) -> None:
    leg = Leg("x", end=end)
    assert (leg.refusal, leg.status) == (refusal, status)


def test_a_call_that_was_up_was_answered_200_however_it_ended() -> None:
    assert Leg("x", up=True).status == 200
    assert Leg("x", up=True, end=ended(End.BYE)).status == 200


def test_what_is_heard_is_kept_for_a_moment_alone() -> None:
    assert Leg("x").frames.maxlen == LISTENED_FRAMES
    assert Leg("x") != Leg("x")  # each is itself


def test_nothing_secret_is_shown() -> None:
    line = Line(servers=("ws://a",), domain="a", user="1000", password="secret")
    assert "secret" not in repr(line)
    leg = Leg("x", offer="a=crypto", call_id="secret")
    assert "secret" not in repr(leg) and "crypto" not in repr(leg)
