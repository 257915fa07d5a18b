from __future__ import annotations

from typing import Any

import pytest

from offhook.sip.message import Request
from offhook.switch.referral import Journey, Referral


def refer(target: str | None) -> Request:
    request = Request("REFER", "sip:x")
    request.headers.add("CSeq", "7 REFER")
    if target is not None:
        request.headers.add("Refer-To", target)
    request.headers.add("Referred-By", "<sip:1001@x>")
    return request


@pytest.mark.parametrize(
    ("target", "user", "replaces"),
    [
        ("<sip:1002@127.0.0.1>", "1002", None),
        ("sip:1002@127.0.0.1", "1002", None),
        ("<sip:1002@x?Replaces=abc%40host%3Bto-tag%3D1%3Bfrom-tag%3D2>", "1002", "abc@host"),
        ("<sip:1002@x?Replaces=abc>", "1002", "abc"),
        ("<sip:1002@x?X-A=1&Replaces=abc%3Bto-tag%3D1>", "1002", "abc"),
        ("<sip:127.0.0.1>", None, None),
        ("<<>", None, None),
        (None, None, None),
    ],
)
def test_what_a_refer_asks_for(target: str | None, user: str | None, replaces: str | None) -> None:
    by: Any = object()
    referral = Referral.read(refer(target), by)
    assert (referral.target, referral.replaces) == (user, replaces)
    assert (referral.number, referral.referred_by, referral.by) == (7, "<sip:1001@x>", by)


def test_numbers_and_callers_are_not_shown() -> None:
    class By:
        def __repr__(self) -> str:
            return "by"

    by: Any = By()
    assert "1002" not in repr(Referral.read(refer("<sip:1002@x?Replaces=abc>"), by))
    assert "1001" not in repr(Journey(referred_by="<sip:1001@x>"))


def test_who_cannot_be_told(bench: Any) -> None:
    bob = bench.phone("1001")
    bob.call("9196")
    channel = bench.node._exchange.channels[bench.channel("1001").uuid]
    referral = Referral.read(refer("<sip:1002@x>"), channel)
    bench.close(bob.flow)
    sent = len(bench.sent)
    referral.tell(200, "OK", bench.now)
    bench.drain()
    assert channel.alive and len(bench.sent) == sent


def test_who_has_left_is_told_nothing(bench: Any) -> None:
    bob = bench.phone("1001")
    session = bob.call("9196")
    channel = bench.node._exchange.channels[bench.channel("1001").uuid]
    bob.hang_up(session)
    sent = len(bench.sent)
    Referral.read(refer("<sip:1002@x>"), channel).tell(200, "OK", bench.now)
    bench.drain()
    assert len(bench.sent) == sent
