"""A world in which nothing goes wrong ends well, and one in which something is amiss does not."""

from __future__ import annotations

import pytest

from offhook.testing.ledger import BrokenRule
from offhook.testing.world import World

WORLDS = [(kind, dialect) for kind in ("wild", "switch") for dialect in ("freeswitch", "efcx")]
CALL = {"calledNumber": "9196", "Destination_Number": "9196", "callType": "audio"}


@pytest.mark.parametrize(("kind", "dialect"), WORLDS)
def test_a_call_in_each_world(kind: str, dialect: str) -> None:
    world = World(kind, dialect, 1)
    desk = world.desks[0]
    world.is_done(desk, desk.command("makeCall", CALL))
    assert list(desk.states().values()) == ["ACTIVE"]
    desk.restart()
    world.run(1.0)
    assert list(desk.states().values()) == ["ACTIVE"]
    world.finish()
    assert all(each.finished for each in world.desks)


def test_an_agent_that_logs_out_and_in() -> None:
    world = World("wild", "freeswitch", 2)
    desk = world.desks[0]
    desk.command("logout", {})
    world.run(10.0)
    assert desk.finished
    world.login()
    world.finish()


@pytest.mark.parametrize("mood", ["deaf", "late", "internal"])
def test_an_engine_that_is_ill(mood: str) -> None:
    world = World("wild", "freeswitch", 3)
    desk = world.desks[0]
    desk.mood = mood
    desk.command("makeCall", CALL)
    world.run(15.0)
    assert mood == "late" or (desk.ledger.last[1], desk.states()) == ("failed", {})
    world.finish()


def test_a_desk_that_was_told_otherwise() -> None:
    world = World("wild", "freeswitch", 4)
    desk = world.desks[0]
    world.is_done(desk, desk.command("makeCall", CALL))
    desk.ledger.live.clear()
    with pytest.raises(AssertionError, match="it is"):
        desk.check()


def test_what_is_left_is_found() -> None:
    world = World("wild", "freeswitch", 5)
    desk = world.desks[0]
    desk.nothing_left()
    desk.media.add("x")
    with pytest.raises(AssertionError, match="media"):
        desk.nothing_left()
    desk.media.clear()
    world.is_done(desk, desk.command("makeCall", CALL))
    with pytest.raises(BrokenRule):
        desk.nothing_left()


def test_the_wall_clock_jumps() -> None:
    world = World("wild", "freeswitch", 6)
    before = world.network.now()
    world.clock.jump(-3600.0)
    after = world.network.now()
    assert (after.monotonic, after.wall) == (before.monotonic, before.wall - 3600.0)
