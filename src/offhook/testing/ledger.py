"""What one agent's desks are told, held against the rules of contract §1 to §4 that need memory.

Every command with an id has one outcome, told to who gave it; events are numbered without a gap; each dialog goes only
along `NEXT`, by the event of its kind, and ends once; no two live dialogs share an id, and none shows another's data.

    ledger = Ledger("1000")
    ledger.asked("c1", "makeCall", "desk", at=0.0)
    ledger.published(event)
    ledger.replied("desk", result, at=0.2)
    ledger.quiet()                              # nothing is owed, no call is left

Raises `BrokenRule`, which tells what happened before, for the agent's calls that it knows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

NEXT: dict[str, frozenset[str]] = {
    "INITIATING": frozenset({"INITIATED", "DROPPED"}),
    "INITIATED": frozenset({"ACTIVE", "DROPPED"}),
    "ALERTING": frozenset({"ACTIVE", "DROPPED"}),
    "ACTIVE": frozenset({"ACTIVE", "HELD", "DROPPED"}),
    "HELD": frozenset({"HELD", "ACTIVE", "DROPPED"}),
}
"""Which states a dialog may be told in after which. The first three are told twice only where all calls are announced
again, after a login or a recovery; and INITIATED (a consult with a queue) where its variables were changed."""

BEGINNINGS = frozenset(
    {
        ("newInboundCall", "ALERTING"),
        ("MONITORING", "ALERTING"),
        ("ConsultCall", "ALERTING"),
        ("campaignCall", "ALERTING"),
        ("outboundDialing", "INITIATING"),
        ("ConsultCall", "INITIATING"),
    }
)
EARLY: dict[str, frozenset[str]] = {
    "newInboundCall": frozenset({"ALERTING"}),
    "MONITORING": frozenset({"ALERTING"}),
    "outboundDialing": frozenset({"INITIATING", "INITIATED"}),
}
"""Kinds that are told by this event in these states, and by dialogState in all others."""
LASTING = frozenset({"ConsultCall", "campaignCall"})
"""Kinds that are told by this event from beginning to end."""
TAKEN_OVER = frozenset({"CONSULT_TRANSFER", "CONFERENCE"})
"""Types of calls that are ACTIVE or HELD from the first: each goes on from the dialog that DROPPED just before it."""
IDENTITY = (
    "fromAddress",
    "dialedNumber",
    "customerNumber",
    "dnis",
    "serviceIdentifier",
    "ani",
    "queueName",
    "queueType",
    "callOriginator",
    "channelType",
)
"""What a dialog keeps from its first event to its last."""


class BrokenRule(AssertionError):
    """The agent broke a rule of the contract."""


@dataclass(slots=True)
class _Asked:
    """A command that has no outcome yet."""

    action: str
    origin: str
    at: float


@dataclass(slots=True)
class Told:
    """A dialog that has been told and has not DROPPED."""

    name: str
    """The event that told it first."""
    state: str
    identity: tuple[object, ...] = field(repr=False)
    record: Json = field(default_factory=dict, repr=False)
    """As it was told last."""
    again: bool = False
    """It may be told once more in the state it is in."""


class Ledger:
    """One agent. `longest`: seconds that a command may take from its being given, whatever it waits for."""

    def __init__(self, extension: str, *, longest: float = 700.0) -> None:
        self.live: dict[str, Told] = {}
        self.events = 0
        self.outcomes = 0
        self.last = ("", "")
        """The command that was decided last, and how: done or failed."""
        self._extension = extension
        self._longest = longest
        self._asked: dict[str, _Asked] = {}
        self._over: set[str] = set()
        self._stream: str | None = None
        self._seq = 0
        self._dropped: tuple[str, str, int] | None = None
        """Id, last state and isCallEnded of the dialog that DROPPED by the very last event."""
        self._told: deque[str] = deque(maxlen=12)

    # Commands

    def asked(self, id: str, action: str, origin: str, at: float) -> None:
        """A desk gave a command."""
        self._asked[id] = _Asked(action, origin, at)

    def forget(self) -> None:
        """The agent's process died: what its desks wait for never comes."""
        self._over.update(self._asked)
        self._asked.clear()

    def fresh(self) -> None:
        """A new session of the agent: another stream, and no calls."""
        self._need(not self.live, f"a session is over, and {self._calls()} never ended")
        self._stream, self._seq = None, 0

    def replied(self, origin: str | None, message: Json, at: float) -> None:
        """One connection was told this; only `commandResult` matters."""
        if message["event"] != "commandResult":
            return
        id = message["id"]
        self._need(id not in self._over, f"the command {id} has a second outcome")
        asked = self._asked.pop(id, None)
        if asked is None:
            raise self._broken(f"an outcome of {id}, which nobody asked for")
        self._over.add(id)
        self.outcomes += 1
        self.last = (id, message["status"])
        self._need(asked.origin == origin, f"the outcome of {asked.action} went to {origin}, not to {asked.origin}")
        self._need(message["action"] in (asked.action, None), f"{asked.action} has the outcome of {message['action']}")
        failed = message["status"] == "failed"
        self._need(
            failed == (message["error"] is not None), f"{asked.action} is {message['status']}, but see its error"
        )
        self._need(at - asked.at <= self._longest, f"{asked.action} took {at - asked.at:g} s")

    # Events

    def published(self, event: Json) -> None:
        """An event for all desks."""
        self.events += 1
        self._number(event)
        name, response = event["event"], event.get("response", {})
        before, self._dropped = self._dropped, None
        if (
            name == "agentInfo"
            and response["state"] == "LOGIN"
            or name == "xmppEvent"
            and response["type"] == "IN_SERVICE"
        ):
            for call in self.live.values():
                call.again = True
        dialog = response.get("dialog")
        if dialog is None:
            self._told.append(f"{name} {response.get('code') or response.get('state') or response.get('type') or ''}")
            return
        self._told.append(f"{name} {dialog['state']} {dialog['callType']} {dialog['id'][:8]}")
        self._need(response["loginId"] == self._extension, f"{name} is told to another agent")
        self._dialog(name, dialog, before)

    def _number(self, event: Json) -> None:
        if self._stream is None:
            self._stream = event["stream"]
        self._need(event["stream"] == self._stream, "the stream has another name, and the session is the same")
        self._need(event["seq"] == self._seq + 1, f"seq {event['seq']} comes after {self._seq}")
        self._seq += 1

    def _dialog(self, name: str, dialog: Json, before: tuple[str, str, int] | None) -> None:
        id, state = dialog["id"], dialog["state"]
        call = self.live.get(id)
        identity = tuple(dialog[key] for key in IDENTITY)
        if call is None:
            self._begin(name, dialog, identity, before)
            return
        if call.name == "campaignCall" and name == "dialogState" and dialog["callType"] == "CONFERENCE":
            call.name = "newInboundCall"  # as which it goes on to its end
        self._need(self._name(call, state) == name, f"{state} of a call that began as {call.name} is told by {name}")
        if call.state != state or state not in NEXT[call.state]:
            allowed = state in NEXT[call.state] or (call.again and state == call.state)
            noted = call.record["callVariables"] != dialog["callVariables"] and state == call.state == "INITIATED"
            allowed = allowed or noted
            self._need(allowed, f"{name}: {call.state} is followed by {state}")
        call.again = False
        changed = [key for key, old, new in zip(IDENTITY, call.identity, identity, strict=True) if old != new]
        self._need(not changed, f"{name} {state}: {', '.join(changed)} changed")
        if state == "DROPPED":
            del self.live[id]
            self._dropped = (id, call.state, dialog["isCallEnded"])
            self._need(dialog["isCallEnded"] in (0, 1), "DROPPED without isCallEnded")
            return
        self._need(dialog["isCallEnded"] == 0, f"{name} {state} with isCallEnded")
        call.state, call.record = state, dialog

    def _begin(
        self, name: str, dialog: Json, identity: tuple[object, ...], before: tuple[str, str, int] | None
    ) -> None:
        state = dialog["state"]
        if name == "dialogState" and state in ("ACTIVE", "HELD"):
            goes_on = before is not None and before[1] in ("ACTIVE", "HELD") and before[2] == 0
            known = dialog["callType"] in TAKEN_OVER
            self._need(goes_on and known, f"{state} of a dialog that never began, of type {dialog['callType']}")
            name = "newInboundCall"
        else:
            self._need((name, state) in BEGINNINGS, f"{name} {state} of a dialog that is not live")
        self.live[dialog["id"]] = Told(name, state, identity, dialog)

    @staticmethod
    def _name(call: Told, state: str) -> str:
        """The event that tells a call of this kind in this state."""
        if call.name in LASTING or state in EARLY.get(call.name, ()):
            return call.name
        return "dialogState"

    # The end

    def quiet(self) -> None:
        """Nothing is under way: nothing may be owed, and no call may be left."""
        owed = [f"{asked.action} ({id})" for id, asked in self._asked.items()]
        self._need(not owed, f"no outcome of {', '.join(owed)}")
        self._need(not self.live, f"{self._calls()} never ended")

    def waiting(self) -> list[str]:
        """The ids of the commands without an outcome."""
        return list(self._asked)

    def _calls(self) -> str:
        return ", ".join(f"{call.name} {call.state}" for call in self.live.values())

    def _need(self, holds: bool, text: str) -> None:
        if not holds:
            raise self._broken(text)

    def _broken(self, text: str) -> BrokenRule:
        return BrokenRule(f"agent {self._extension}: {text}; before: {' · '.join(self._told)}")
