"""Reports of pages, for the gateway's log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from offhook.clock import Now
from offhook.gateway.interface import ConnectionOpened, ConnectionReceived
from offhook.gateway.reports import BURST, BURST_OF_ALL, Reports, is_report


def report(origin: Any = "https://evil.example", times: Any = 1, refused: Any = "click to call") -> str:
    return json.dumps({"report": {"refused": refused, "origin": origin, "times": times}})


def test_what_is_a_report() -> None:
    assert is_report('{"report": {}}') and is_report(' {\n "report" :1}')
    assert not is_report('{"action": "report"}') and not is_report('["report":')


def test_a_refused_click_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    Reports(10).receive("c1", report("https://evil.example:8443", 3), Now(0.0, 0.0))
    (line,) = caplog.messages
    assert line.startswith("= c1: its page refused a click to call from https://evil.example:8443 (3 times)")
    assert caplog.records[0].levelname == "WARNING"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (report("null"), "from null"),
        (report("https://x\n= c2: forged"), "from an origin that is none"),
        (report("javascript:alert(1)"), "from an origin that is none"),
        (report("x" * 301), "not understood"),
        (report(5), "not understood"),
        (report(times=0), "not understood"),
        (report(refused="5551234567"), "not understood"),
        ('{"report": ' + "[" * 60_000, "not understood"),
    ],
    ids=["null", "a line", "no origin", "long", "number", "never", "something else", "deep"],
)
def test_what_a_page_says_is_not_believed(text: str, words: str, caplog: pytest.LogCaptureFixture) -> None:
    Reports(10).receive("c1", text, Now(0.0, 0.0))
    (line,) = caplog.messages
    assert words in line and "\n" not in line and "forged" not in line and "5551234567" not in line


def test_a_flood_is_logged_in_part(caplog: pytest.LogCaptureFixture) -> None:
    reports = Reports(1000)
    for _ in range(100):
        reports.receive("c1", report(), Now(0.0, 0.0))
    assert len(caplog.messages) == BURST
    reports.receive("c1", report(), Now(60.0, 0.0))
    assert len(caplog.messages) == BURST + 1
    for number in range(100):
        reports.receive(f"d{number}", report(), Now(60.0, 0.0))
    assert len(caplog.messages) == BURST + BURST_OF_ALL


def test_the_hub_takes_them_and_says_nothing(make_bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    assert bench.give(ConnectionReceived("c1", report())) == []
    assert any("refused a click to call from https://evil.example" in line for line in caplog.messages)
    assert not bench.hub.commands
