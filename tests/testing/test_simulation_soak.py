"""The soak goes on where it was stopped, and keeps the story of each failure."""

from __future__ import annotations

import json
from pathlib import Path

from offhook.testing.simulation_soak import FIRST_SEED, Soak, main


def _said(broken: str = "") -> str:
    return "story\n" + json.dumps({"broken": broken, "agent_hours": 2.0, "cpu_seconds": 4.0}) + "\n"


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    state = tmp_path / "soak" / "state.json"
    soak = Soak(state)
    first, second = soak.begin(), soak.begin()
    assert (first, second) == (FIRST_SEED, FIRST_SEED + 1)
    soak.ended(first, _said())
    again = Soak(state)
    assert (again.begin(), again.hours, again.broken) == (second, 2.0, [])
    again.ended(second, _said("a promise"))
    assert Soak(state).broken == [second]
    assert "a promise" in (state.parent / f"seed-{second}.txt").read_text()
    assert "30 a CPU-minute" in again.line()


def test_a_process_that_died_is_a_failure(tmp_path: Path) -> None:
    soak = Soak(tmp_path / "state.json")
    seed = soak.begin()
    soak.ended(seed, "Killed")
    assert soak.broken == [seed]


def test_nothing_is_to_be_done(tmp_path: Path) -> None:
    assert main(["--hours", "0", "--state", str(tmp_path / "state.json")]) == 0
