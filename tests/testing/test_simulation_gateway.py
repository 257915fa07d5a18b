"""A gateway that is killed goes on from its journal, which lets nobody write who has lost an agent."""

from __future__ import annotations

import pytest

from offhook.journal.entries import Keep, Told
from offhook.testing.simulation import Floor
from offhook.testing.simulation_gateway import Journal


@pytest.mark.parametrize("at_the_disk", [False, True])
def test_another_process_goes_on(at_the_disk: bool) -> None:
    floor = Floor(4)
    floor.work(40.0, faults=False)
    before = floor.gateway.process
    floor.kill_gateway(0.2, at_the_disk=at_the_disk)
    floor.work(80.0, faults=False)
    assert floor.gateway.process is not before
    assert floor.gateway.lives == 2
    assert all(floor.people[agent].page.present for agent in floor.agents)


def test_who_has_lost_an_agent_may_not_write() -> None:
    journal = Journal()
    journal.write(Keep("1000", "b", 2, b"newer"))
    with pytest.raises(AssertionError, match="epoch 1 of a after 2"):
        journal.write(Keep("1000", "a", 1, b"older"))
    journal.write(Told("1000", "s", 1, 0.0, b"{}"))
    (kept,) = journal.read()
    assert (kept.record, kept.events) == (b"newer", ((0.0, b"{}"),))
    journal.write(Keep("1000", "b", 2, None))
    assert journal.read() == ()
