"""The list of checks: whole, in order, and against the development switch."""

from __future__ import annotations

from typing import Any

from offhook.doctor.checks import CHECKS
from offhook.doctor.findings import Finding, Verdict


def test_each_check_comes_after_what_it_needs_and_has_a_name_of_its_own() -> None:
    seen: set[str] = set()
    for check in CHECKS:
        assert set(check.needs) <= seen, check.name
        assert check.name not in seen
        seen.add(check.name)


async def test_the_development_switch_is_well(start_switch: Any, look: Any) -> None:
    switch = await start_switch()
    found: dict[str, Finding] = await look(switch.ws_url)
    verdicts = {name: one.outcome.verdict for name, one in found.items()}
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.FAILED} == set()
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.SKIPPED} == set()
    # No queue was named, and a trunk's side cannot be seen.
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.CANNOT} == {"queue", "untrusted-headers"}
    assert "our tone comes back" in found["audio"].outcome.seen
