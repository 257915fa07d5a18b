"""Findings as text and JSON."""

from __future__ import annotations

import json

from offhook.doctor.findings import Finding, failed, ok
from offhook.doctor.report import WIDTH, as_json, lines, summary

BAD = Finding("port", "its port", failed("it refuses", "Set ws-binding, " + "and so on, " * 20), 1.25)
GOOD = Finding("digest", "digests", ok("MD5", "MD5 alone"), 0.5)


def test_lines() -> None:
    assert lines(Finding("name", "", ok("127.0.0.1"))) == "ok      name              127.0.0.1"
    assert lines(GOOD).splitlines()[1].strip() == "note: MD5 alone."
    text = lines(BAD).splitlines()
    assert text[0] == "failed  port              it refuses"
    assert text[1].strip().startswith("mend: Set ws-binding")
    assert all(len(line) <= WIDTH for line in text)


def test_a_path_with_dots_stays_as_it_is() -> None:
    assert '"../offhook/x.xml"' in lines(Finding("a", "", failed("x", 'Set "../offhook/x.xml"')))


def test_summary() -> None:
    assert summary([GOOD, BAD], 12.4) == "1 ok, 1 failed; 12 s\nMend first: port"
    assert summary([BAD, GOOD, BAD, BAD], 1.0).endswith("\nMend first: port; then see port, port")
    assert summary([GOOD], 0.0) == "1 ok; 0 s"
    assert summary([], 0.0) == "nothing was checked; 0 s"


def test_json() -> None:
    whole = json.loads(as_json([GOOD, BAD], ["ws://a:1"], "a", 2.0))
    assert whole["servers"] == ["ws://a:1"] and whole["exitStatus"] == 1 and whole["counts"]["failed"] == 1
    assert whole["checks"][1] | {"remedy": ""} == {
        "check": "port",
        "title": "its port",
        "verdict": "failed",
        "seen": "it refuses",
        "remedy": "",
        "notes": [],
        "seconds": 1.25,
    }
