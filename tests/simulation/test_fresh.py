"""Seeds that nobody has tried, for as many seconds as OFFHOOK_SIMULATION says.

OFFHOOK_SIMULATION=180 python -m pytest -m simulation tests/simulation/test_fresh.py
"""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

import pytest

from offhook.testing.simulation import AGENTS, LOOK_EVERY, run

SECONDS = float(os.environ.get("OFFHOOK_SIMULATION", "0"))
COURSE = 600.0
"""Of work, simulated: short, so that the time is kept."""
pytestmark = pytest.mark.simulation


@pytest.mark.skipif(not SECONDS, reason="set OFFHOOK_SIMULATION=180: some fresh seeds still break promises (issue 6)")
@pytest.mark.parametrize("share", range(2))
def test_fresh_seeds(share: int, record_property: Any) -> None:
    """Each share runs for that long, in a process of its own; a failure tells the seed."""
    began, spent, hours, seeds = time.monotonic(), time.process_time(), 0.0, 0
    while not seeds or time.monotonic() - began < SECONDS:
        floor = run(secrets.randbits(40), COURSE)
        hours += floor.looks * LOOK_EVERY * len(AGENTS) / 3600
        seeds += 1
    spent = time.process_time() - spent
    record_property("agent-hours", round(hours, 1))
    print(f"{seeds} seeds, {hours:.1f} agent-hours, {hours * 60 / spent:.0f} a CPU-minute")
