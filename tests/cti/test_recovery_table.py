"""Every cell of the table of `offhook.testing.faults`, on the development switch, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.clock import Now
from offhook.errors import RemoteError
from offhook.sip.flow import FlowReceived, Send
from offhook.sip.parser import parse_message
from offhook.testing.faults import FAULTS, STATES, TABLE
from offhook.testing.world import URL, Desk, Node, World

NUMBER = {"Destination_Number": "800", "callType": "audio"}


class Busy:
    """A server in front of a node, which refuses REGISTER for a while."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.timers = node.timers
        self.refuses = False
        self._out: list[Any] = []

    def receive(self, given: Any, now: Now) -> None:
        if self.refuses and isinstance(given, FlowReceived) and given.data.startswith(b"REGISTER"):
            response = parse_message(given.data).response(503, to_tag="busy")  # type: ignore[union-attr]
            response.headers.add("Retry-After", "2")
            self._out.append(Send(given.flow, response.serialize()))
        else:
            self.node.receive(given, now)

    def outputs(self) -> list[Any]:
        out, self._out = self._out, []
        return [*out, *self.node.outputs()]


def quiet_world() -> World:
    """A world whose settings leave calls alone."""
    for seed in range(200):
        world = World("switch", "freeswitch", seed)
        settings = world.desks[0].settings
        if (settings.call_waiting, settings.max_calls, settings.max_waiting_commands) == ("announce", 8, 16):
            if world.node.node._exchange.settings.confirm_blind_transfer:
                return world
    raise AssertionError("no seed fits")


class Story:
    """An agent whose connection breaks, its calls, and the others."""

    def __init__(self) -> None:
        self.world = quiet_world()
        world = self.world
        self.agent, self.far, self.third, self.supervisor = world.desks
        self.busy = Busy(world.node)
        world.server.node = self.busy
        self.victim = self.agent
        self.asked = ""

    def run(self, seconds: float) -> None:
        self.world.run(seconds)

    def call(self, caller: Desk, called: Desk) -> tuple[str, str]:
        caller.command("makeCall", {"calledNumber": called.extension, **NUMBER})
        self.run(0.5)
        return list(caller.states())[-1], list(called.states())[-1]

    def talk(self, caller: Desk, called: Desk) -> str:
        """A call that is up; its dialog at the caller."""
        ours, theirs = self.call(caller, called)
        called.command("answerCall", {"dialogId": theirs})
        self.run(1)
        assert caller.states()[ours] == "ACTIVE" == called.states()[theirs]
        return ours

    # States

    def dialling(self) -> None:
        self.call(self.agent, self.far)

    def ringing_in(self) -> None:
        self.call(self.far, self.agent)

    def answering(self) -> None:
        _, theirs = self.call(self.far, self.agent)
        self.agent.command("answerCall", {"dialogId": theirs})
        self.world.network.run(0.025)  # the 200 has arrived, its ACK is on the way

    def active(self) -> None:
        self.talk(self.agent, self.far)

    def held(self) -> None:
        ours = self.talk(self.agent, self.far)
        self.agent.command("holdCall", {"dialogId": ours})
        self.run(0.5)

    def hold_in_flight(self) -> None:
        ours = self.talk(self.agent, self.far)
        self.asked = self.agent.command("holdCall", {"dialogId": ours})
        self.world.network.run(0.0)

    def refer_pending(self) -> None:
        self.talk(self.far, self.agent)
        (ours,) = self.agent.states()
        self.asked = self.agent.command("SST", {"dialogId": ours, "numberToTransfer": "1002"})
        self.run(1)
        assert self.third.states()

    def consult(self) -> None:
        self.talk(self.far, self.agent)
        self.agent.command("makeConsult", {"numberToConsult": "1002"})
        self.run(1)
        self.third.command("answerCall", {"dialogId": list(self.third.states())[-1]})
        self.run(1)
        assert sorted(self.agent.states().values()) == ["ACTIVE", "HELD"]

    def conference(self) -> None:
        self.consult()
        customer = next(id for id, state in self.agent.states().items() if state == "HELD")
        self.agent.command("conference_consult", {"dialogId": customer})
        self.run(3)
        assert len(self.agent.states()) == 1

    def monitoring(self) -> None:
        self.talk(self.far, self.agent)
        self.victim = self.supervisor
        self.supervisor.command("silentMonitor", {"calledNumber": "1000", "service_Identifier": "800", **NUMBER})
        self.run(1)
        assert list(self.supervisor.states().values()) == ["ACTIVE"], self.supervisor.ledger.__dict__

    # Faults

    def loud(self) -> None:
        self.world.network.reset(self.victim.host)

    def silent(self) -> None:
        self.world.network.cut(self.victim.host)
        self.run(40)
        self.world.network.heal(self.victim.host)

    def restart(self) -> None:
        world = self.world
        world.network.remove(world.server)
        self.run(0.5)
        world.node = Node(world.chance, "freeswitch", world.network.now)
        world.server = world.network.add("pbx", world.node, url=URL, timers=world.node.timers)

    def busy_for_a_while(self) -> None:
        self.busy.refuses = True
        self.loud()
        self.run(6)
        self.busy.refuses = False


MAKE: dict[str, Callable[[Story], None]] = {
    "dialling": Story.dialling,
    "ringing in": Story.ringing_in,
    "answering": Story.answering,
    "active": Story.active,
    "held": Story.held,
    "hold in flight": Story.hold_in_flight,
    "REFER pending": Story.refer_pending,
    "consult": Story.consult,
    "conference": Story.conference,
    "monitoring": Story.monitoring,
}
BREAK: dict[str, Callable[[Story], None]] = {
    "loud": Story.loud,
    "silent": Story.silent,
    "restart": Story.restart,
    "503": Story.busy_for_a_while,
}


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(STATES) == set(MAKE)
    assert all(set(row) == set(FAULTS) == set(BREAK) for row in TABLE.values())
    with pytest.raises(RemoteError):
        parse_message(b"REGISTER")


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("state", list(STATES))
def test_a_cell(state: str, fault: str) -> None:
    story = Story()
    outcome = TABLE[state][fault]
    MAKE[state](story)
    victim = story.victim
    before = victim.states()
    ended: list[Any] = []
    services: list[str] = []
    heard = victim.ledger.published

    def listen(event: Any) -> None:
        heard(event)
        if event["event"] == "xmppEvent":
            services.append(event["response"]["type"])
        dialog = event.get("response", {}).get("dialog")
        if dialog and dialog["state"] == "DROPPED":
            ended.append(dialog)

    victim.ledger.published = listen  # type: ignore[method-assign]
    BREAK[fault](story)
    if state == "REFER pending":
        for id in story.third.states():
            story.third.command("answerCall", {"dialogId": id})
    story.run(45 if state == "REFER pending" else 20)
    ladder = story.world.network.ladder()
    after = victim.states()
    if outcome.fate == "lives":
        assert set(after) == set(before), f"{before} -> {after}\n{ladder}"
        assert not ended, f"{ended}\n{ladder}"
        wanted = [outcome.state] if outcome.state else sorted(before.values())
        assert sorted(after.values()) == wanted, ladder
    else:
        assert after == {}, f"{after}\n{ladder}"
        assert sorted(each["id"] for each in ended) == sorted(before), ladder
        # A consult is released by us when the customer is gone.
        reasons = {each["callEndReason"] for each in ended if each["callType"] != "CONSULT"}
        assert reasons == {outcome.reason}, ladder
    assert services == (["OUT_OF_SERVICE", "IN_SERVICE"] if outcome.told else []), ladder
    story.world.finish()
