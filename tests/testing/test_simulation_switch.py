"""Which legs end, why, and what the switch was told just then."""

from __future__ import annotations

from offhook.switch.causes import Cause
from offhook.switch.channel import State
from offhook.switch.core import HangUp
from offhook.switch.dialplan import SendBack, Sleep
from offhook.switch.execution import Execution
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


def test_a_pause_of_the_dialplan_that_was_taken_over_leads_nowhere() -> None:
    """The new leg has the pause and nothing after it."""
    for steps, displaced in (([], True), ([SendBack()], False)):
        floor = Floor(1)
        floor.work(60.0, faults=False)
        heard: list[Ending] = []
        floor.switch._ended = heard.append
        channel = next(
            each
            for each in floor.switch.node._exchange.channels.values()
            if each.user in AGENTS and each.state is State.ANSWERED
        )
        pause = Execution(floor.switch.node._exchange, channel)
        pause._step, pause._steps = Sleep(0.5), [*steps]
        channel.owner = pause
        floor.switch.outputs()
        channel.hang_up(Cause.NORMAL_CLEARING, floor.now())
        floor.network.drain()
        floor.network.run(0.1)
        floor.switch.receive(HangUp("nobody"), floor.now())
        legs = [leg for ending in heard for leg in ending.legs if leg.call_id == channel.call_id]
        assert [leg.displaced for leg in legs] == [displaced]
