"""Which legs end, why, and what the switch was told just then."""

from __future__ import annotations

from offhook.switch.causes import Cause
from offhook.switch.core import HangUp
from offhook.testing.simulation import AGENTS, Floor
from offhook.testing.simulation_switch import Ending


def test_legs_that_end_are_told_with_their_reason() -> None:
    floor = Floor(1)
    floor.work(60.0, faults=False)
    heard: list[Ending] = []
    floor.switch._ended = heard.append
    up = floor.switch.up()
    agent = next(user for user in up.values() if user in AGENTS)
    assert agent is not None
    floor.network.give(floor.server, HangUp(agent))
    floor.network.run(0.1)
    floor.switch.receive(HangUp("nobody"), floor.now())
    ended = {leg.call_id for ending in heard if ending.by == "HangUp" for leg in ending.legs}
    assert {call_id for call_id, user in up.items() if user == agent} <= ended
    assert {leg.cause for ending in heard for leg in ending.legs} == {Cause.NORMAL_CLEARING}
