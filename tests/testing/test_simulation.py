"""A course of the simulation can be had again, and what is amiss is told with all that one needs."""

from __future__ import annotations

import json

import pytest

from offhook.switch.core import HangUp
from offhook.testing.simulation import AGENTS, BrokenPromise, Floor, main


def test_the_same_seed_gives_the_same_course() -> None:
    digests = []
    for seed in (1, 1, 2):
        floor = Floor(seed)
        floor.work(90.0)
        digests.append((floor.digest.hexdigest(), floor.faults))
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_a_broken_promise_tells_all_that_is_needed() -> None:
    """The switch hangs up on everybody, and nobody asked for it."""
    floor = Floor(1)
    floor.work(60.0, faults=False)
    for agent in AGENTS:
        floor.network.give(floor.server, HangUp(agent))
    with pytest.raises(BrokenPromise) as broken:
        floor.work(60.0, faults=False)
    story = str(broken.value)
    assert story.startswith("seed 1, after ")
    assert "NORMAL_CLEARING" in story
    assert "BYE" in story, "the ladder"
    assert "python -m offhook.testing.simulation --seed 1" in story


def test_a_course_ends_well_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "5", "--seconds", "60"]) == 0
    told = json.loads(capsys.readouterr().out.strip().rpartition("\n")[2])
    assert (told["seed"], told["broken"]) == (5, "")
    assert told["agent_hours"] > 0.1
