"""What the simulation holds the whole system to: one function a promise, whose docstring is the promise.

`PROMISES` are looked at every few seconds, `AT_THE_END` when all calls are over. Two are looked at when it happens:
`no_call_ends_by_itself` (what pages are told) and `no_leg_ends_by_itself` (what the switch does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sized
from typing import TYPE_CHECKING

from offhook.cti.presence import Standing
from offhook.switch.causes import Cause
from offhook.switch.core import Originate
from offhook.testing.simulation_gateway import Json
from offhook.testing.simulation_people import IN_CALLS, LONGEST_COMMAND, Page
from offhook.testing.simulation_switch import NO_ACK

if TYPE_CHECKING:
    from offhook.testing.simulation import Floor
    from offhook.testing.simulation_switch import Ending

PASSED_ON = (Cause.PICKED_OFF, Cause.ATTENDED_TRANSFER, Cause.BLIND_TRANSFER)
"""Causes of legs whose place another leg has taken: that is looked at by the other promises."""
NOT_PROMISED = {
    ("INVITE", Cause.NORMAL_TEMPORARY_FAILURE): "Both parties of a call lost their connections, and one held it. When "
    "the other takes it over the server tells the holder so, over the dead connection, and ends the call.",
    ("FlowClosed", Cause.NORMAL_TEMPORARY_FAILURE): "A transfer was under way, and the connection of its target broke "
    "while it rang there; or the server had a re-INVITE of its own under way on a connection that broke.",
    (NO_ACK, Cause.RECOVERY_ON_TIMER_EXPIRE): "A call was being dialled when the gateway was killed, and was answered: "
    "nobody sends the ACK, so 32 s later the server ends it, and with it the leg of who answered.",
}
"""Ends of calls that are up by the server alone: what it was told just then, its cause, and how that comes about."""
BACK = 35.0
"""Seconds after trouble within which everything is as it should be: an attempt is made at least every 30."""


class Remembered:
    """What the promises need to know of what was before."""

    def __init__(self) -> None:
        self.troubled: dict[str, float] = {}
        """Until when an agent's trouble lasts."""
        self.ill_until = 0.0
        """Until then the media engine may have failed a call, which then ends with an Error."""
        self.over: set[str] = set()
        """Dialogs whose leg on the switch has ended."""
        self.closing = False
        self.hashed = 0
        self.endings: Counter[str] = Counter()
        self.odd_since: dict[tuple[str, str], float] = {}
        """Since when something is not as it should be that may be so for a moment."""

    def forget_calls(self) -> None:
        """The switch has lost them all."""
        self.odd_since.clear()

    def ended(self, floor: Floor, ending: Ending) -> None:
        no_leg_ends_by_itself(floor, ending)

    def lasts(self, what: tuple[str, str], odd: bool, now: float, seconds: float) -> bool:
        """Whether it has been so for longer than that."""
        if not odd:
            self.odd_since.pop(what, None)
            return False
        return now - self.odd_since.setdefault(what, now) > seconds


# When it happens


def no_call_ends_by_itself(floor: Floor, page: Page, message: Json) -> None:
    """No call that is up is told DROPPED while the switch still has it, unless somebody asked for its end."""
    dialog = message.get("response", {}).get("dialog")
    if dialog is None or dialog["state"] != "DROPPED" or page.ledger._dropped is None:
        return
    person, now = floor.people[page.extension], floor.now().monotonic
    if not dialog["isCallEnded"]:
        person.willing.add(dialog["id"])  # it goes on without this agent, or as another dialog
    consults = dialog["callType"] == "CONSULT" and dialog["fromAddress"] == page.extension
    if consults and now - person.lost_one < 1.0:
        person.willing.add(dialog["id"])  # when the customer leaves, the consult is over (contract §2, row 13)
    person.lost_one = now
    if page.ledger._dropped[1] not in IN_CALLS or dialog["id"] in person.willing:
        return
    up = floor.switch.up() if floor.server.name in floor.network.hosts else {}
    mine = [call_id for call_id, whose in page.gateway.dialogs.items() if whose == (page.extension, dialog["id"])]
    held = [call_id for call_id in mine if call_id in up]
    told = f"{dialog['id'][:8]} is told DROPPED ({dialog['callEndReason']})"
    assert not held, f"agent {page.extension}: {told}, but the switch has it: {held}"


def no_leg_ends_by_itself(floor: Floor, ending: Ending) -> None:
    """The switch lets go of a leg that is up only where somebody asked for that, or the call was taken over or passed
    on."""
    whose = {**floor.outside.dialogs, **floor.gateway.dialogs}
    consults = {**floor.outside.consults, **floor.gateway.consults}
    refused = ending.by.isdecimal() and int(ending.by) >= 400  # by who was called, whom a transfer was to
    asked = ending.by == "REFER" or refused or (ending.by == "BYE" and floor.now().monotonic < floor.seen.ill_until)
    for leg in ending.legs:
        owner = whose.get(leg.call_id)
        if owner is not None:
            floor.seen.over.add(owner[1])
            asked = asked or owner[1] in floor.people[owner[0]].willing or consults.get(owner[1]) in floor.seen.over
    for leg in ending.legs:
        extension, dialog = whose.get(leg.call_id, (leg.user, ""))
        floor.note(extension or "", f"= the switch ends {dialog[:8]} {leg.call_id[:8]} {leg.cause.name} at {ending.by}")
        known = (ending.by, leg.cause) in NOT_PROMISED or leg.displaced
        kind = "asked for" if asked else "not promised" if known else "moved" if leg.cause in PASSED_ON else "by itself"
        floor.seen.endings[kind] += 1
        assert kind != "by itself", (
            f"agent {extension}: {leg.cause.name} of {dialog[:8]} when the switch got {ending.by}"
        )


BROKEN_BY_AN_END = no_call_ends_by_itself

# At every look


def every_command_has_its_outcome(floor: Floor) -> None:
    """Each command has exactly one outcome, within 60 s, while the connection that gave it lives."""
    now = floor.now().monotonic
    for person in floor.people.values():
        for id, asked in person.page.ledger._asked.items():
            assert now - asked.at <= LONGEST_COMMAND, (
                f"agent {person.page.extension}: no outcome of {asked.action} {id}"
            )


def pages_know_all(floor: Floor) -> None:
    """Events are numbered without a gap, and who is there has heard the last one, also after a gateway was killed."""
    for person in floor.people.values():
        page = person.page
        session = page.gateway.session(page.extension)
        if page.present and session is not None:
            stream = session._work.outbox.stream
            here = (page.stream, page.seq)
            assert here == (stream.name, stream.seq), f"agent {page.extension} heard {here}, not {stream.seq}"


def dialogs_are_as_told(floor: Floor) -> None:
    """Each dialog is in the state that was told last, on a path of states that is allowed, and ends once."""
    for person in floor.people.values():
        page = person.page
        session = page.gateway.session(page.extension)
        if page.present and session is not None:
            told = {id: call.state for id, call in page.ledger.live.items()}
            true = {dialog.id: dialog.state for dialog in session.dialogs}
            assert told == true, f"agent {page.extension} was told {told}, but it is {true}"


def calls_come_back(floor: Floor) -> None:
    """35 s after trouble is over the agent is in service, and none of its calls is on its way back."""
    now = floor.now().monotonic
    for extension in floor.agents:
        session = floor.gateway.session(extension)
        if session is None or now < floor.seen.troubled.get(extension, 0.0) + BACK:
            continue
        presence = session._presence
        assert presence.standing is Standing.IN and presence.usable, f"agent {extension} is not in service"
        late = [call.recovery.state for call in session._work.calls.values() if call.recovery is not None]
        assert not late, f"agent {extension}: a call is still {late}"


def what_is_gone_is_told(floor: Floor) -> None:
    """A call that the switch does not have any more is told DROPPED within 35 s after trouble is over."""
    up = floor.switch.node._exchange.channels.values() if floor.server.name in floor.network.hosts else ()
    there = {channel.call_id for channel in up}
    now = floor.now().monotonic
    for extension in floor.agents:
        session = floor.gateway.session(extension)
        if session is None:
            continue
        calm = now >= floor.seen.troubled.get(extension, 0.0)
        work = session._work
        for call in work.calls.values():
            known = work.ua._endpoint.sessions.get(call.session or "")
            odd = calm and call.dialog.state in IN_CALLS and (known is None or known.call_id not in there)
            lasts = floor.seen.lasts((extension, call.id), odd, now, BACK)
            assert not lasts, f"agent {extension}: {call.dialog.state} {call.id}, and the switch has no such call"


def no_leg_is_nobodys(floor: Floor) -> None:
    """A leg on the switch has a call of the agent's behind it, 35 s after trouble is over."""
    if floor.server.name not in floor.network.hosts:
        return
    now = floor.now().monotonic
    for extension in floor.agents:
        session = floor.gateway.session(extension)
        if session is None:
            continue
        calm = now >= floor.seen.troubled.get(extension, 0.0)
        sessions = session._work.ua._endpoint.sessions.values()
        known = {each.call_id for each in sessions}
        for call_id, user in floor.switch.up().items():
            if user == extension:
                odd = calm and call_id not in known
                lasts = floor.seen.lasts((extension, call_id), odd, now, BACK)
                assert not lasts, f"agent {extension}: the switch has a leg {call_id} that is nobody's"


def maps_stay_small(floor: Floor) -> None:
    """What the gateway keeps is bounded by the calls that there are."""
    process = floor.gateway.process
    if process is None:
        return
    calls = sum(len(agent.session._work.calls) for agent in process.hub._agents.values())
    for agent in process.hub._agents.values():
        work = agent.session._work
        sizes = {
            "SIP sessions": len(work.ua._endpoint.sessions),
            "timers": len(work.timers),
            "asked": len(work.asked),
            "tickets": len(work.outcomes.open),
        }
        large = {name: size for name, size in sizes.items() if size > 60 + 20 * len(work.calls)}
        assert not large, f"agent {agent.session.extension}: {large} with {len(work.calls)} calls"
    assert process.hub.routes <= 60 + 10 * calls, f"{process.hub.routes} routes with {calls} calls"
    for gateway in (floor.gateway, floor.outside):
        while len(gateway.dialogs) > 2000:
            del gateway.dialogs[next(iter(gateway.dialogs))]


PROMISES: tuple[Callable[[Floor], None], ...] = (
    every_command_has_its_outcome,
    pages_know_all,
    dialogs_are_as_told,
    calls_come_back,
    what_is_gone_is_told,
    no_leg_is_nobodys,
    maps_stay_small,
)

# At the end


def nothing_is_left(floor: Floor) -> None:
    """When all calls have ended nothing of them is left: no dialog, transaction, timer or media session in the gateway,
    no channel on the switch."""
    for gateway in (floor.gateway, floor.outside):
        process = gateway.process
        assert process is not None, "it was begun again"
        for agent in process.hub._agents.values():
            work = agent.session._work
            left: dict[str, Sized] = {
                "calls": work.calls,
                "sessions": work.sessions,
                "asked": work.asked,
                "tickets": work.outcomes.open,
                "SIP sessions": work.ua._endpoint.sessions,
                "ways back": agent.session._controller.recovering._calls,
            }
            found = {name: len(each) for name, each in left.items() if each}
            assert not found, f"agent {agent.session.extension}: left are {found}"
            owned = [name for owner, name in work.timers._live if owner == id(agent.session)]
            assert not owned, f"agent {agent.session.extension}: timers are left: {owned}"
        assert not process.media, f"media sessions are left: {list(process.media)}"
    channels = floor.switch.node.channels()
    assert not channels, f"channels are left on the switch: {[(each.user, each.state.value) for each in channels]}"
    assert not floor.switch.media, "media sessions are left on the switch"


def everybody_calls_again(floor: Floor) -> None:
    """After all that each agent can make a call and take one."""
    for extension in floor.agents:
        page = floor.people[extension].page
        assert page.present, f"agent {extension} has no page that is logged in"
        page.command("makeCall", {"calledNumber": "9196", "Destination_Number": "9196", "callType": "audio"})
        floor.network.run(3.0)
        assert [call.state for call in page.ledger.live.values()] == ["ACTIVE"], f"agent {extension} cannot call"
        _release_all(floor, page)
        floor.network.give(floor.server, Originate(extension))
        floor.network.run(3.0)
        ringing = [id for id, call in page.ledger.live.items() if call.state == "ALERTING"]
        assert len(ringing) == 1, f"agent {extension} is not called"
        page.command("answerCall", {"dialogId": ringing[0]})
        floor.network.run(3.0)
        assert [call.state for call in page.ledger.live.values()] == ["ACTIVE"], f"agent {extension} cannot answer"
        _release_all(floor, page)


def _release_all(floor: Floor, page: Page) -> None:
    for id in list(page.ledger.live):
        floor.people[page.extension].willing.add(id)
        page.command("releaseCall", {"dialogId": id})
    floor.network.run(3.0)
    assert not page.ledger.live, f"agent {page.extension}: a call does not end"
    assert not page.ledger.waiting(), f"agent {page.extension}: a command has no outcome"


def agents_are_busy(floor: Floor) -> None:
    """Each agent was in calls for at least half of the time: what is promised is promised to people at work."""
    if floor.looks >= 120:
        idle = [agent for agent in floor.agents if floor.in_calls[agent] < floor.looks / 2]
        assert not idle, f"less than half of the time in calls: {idle}"


AT_THE_END: tuple[Callable[[Floor], None], ...] = (nothing_is_left, everybody_calls_again, agents_are_busy)
ALL: tuple[Callable[..., None], ...] = (no_call_ends_by_itself, no_leg_ends_by_itself, *PROMISES, *AT_THE_END)


def text_of(promise: Callable[..., None]) -> str:
    """A promise in words."""
    return " ".join((promise.__doc__ or "").split())
