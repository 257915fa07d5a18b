"""A desk that was written for the reference library: what it reads of each event, and where it would break.

It does what reference-behaviour.md §9.1 (and, where it differs, §9.2) says that the reference's desk does: which fields
it dereferences, which strings it compares, which order it needs, which commands it gives by itself. It raises
`DeskMisled` where such a desk would stop with an error, or show or report what is not so: a popup twice, a call whose
start or end it never reports, a consult toolbar for a call that is gone. Events that it does not know it ignores.

    desk = ReferenceDesk()
    for event in heard:
        desk.receive(event)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from offhook.cti.errors import CODES

Event = dict[str, Any]
Json = dict[str, Any]

JS_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?Z")
MONITORING_HELD = "Call Monitoring Failed due to call is ON HOLD"
EXACT_REASONS = ("NO_ANSWER", "ORIGINATOR_CANCEL", "Canceled")
"""Ends that the desk compares letter for letter: the agent goes not ready, or the call rings on elsewhere."""
TRANSFER_REASONS = ("direct-transfered", "ATTENDED_TRANSFER")
"""Ends that it compares lower-cased: the call goes on without this agent."""

_TEXTS = (
    "id",
    "ani",
    "fromAddress",
    "customerNumber",
    "dialedNumber",
    "dnis",
    "serviceIdentifier",
    "callType",
    "state",
)
_STATES = ("INITIATING", "INITIATED", "ALERTING", "ACTIVE", "HELD", "DROPPED")
_TAKEN_OVER = ("CONSULT_TRANSFER", "CONFERENCE", "MONITORING")
"""Call types that may be ACTIVE without having rung or dialled here."""
_ERRORS = ("invalidstate", "subscriptionfailed", "networkissue", "generalerror")
_HANDLED = {
    "newinboundcall": ("ALERTING",),
    "outbounddialing": ("INITIATING", "INITIATED"),
    "campaigncall": ("ALERTING", "ACTIVE", "HELD", "DROPPED"),
    "consultcall": _STATES,
    "dialogstate": _STATES,
}
"""The states that the desk's handler of an event expects."""


class DeskMisled(AssertionError):
    """The desk would break, or show what is not so."""


def need(holds: object, text: str) -> None:
    """Raises `DeskMisled` where it does not hold."""
    if not holds:
        raise DeskMisled(text)


@dataclass(slots=True)
class Shown:
    """A call as the desk shows it."""

    id: str
    role: Literal["customer", "campaign", "consult", "consulted"]
    state: str
    began: bool = False
    """Its start is reported."""
    ever_held: bool = False
    variables: object = None


class ReferenceDesk:
    """One agent's desk. `receive` every event in order."""

    def __init__(self) -> None:
        self.calls: dict[str, Shown] = {}
        self.reports: list[tuple[str, str]] = []
        """What the backend is told: identified, started, held, resumed, ended, each with the dialog's id."""
        self.commands: list[tuple[str, str]] = []
        """What it asks for by itself, 1,550 ms later: holdCall and retrieveCall, with the dialog's id."""
        self.logged_in: bool | None = None
        self.in_service: bool | None = None
        self.ready = False
        self._complete = False
        """It knows all calls of the agent: it was there when there was none."""
        self._again: set[str] = set()
        """Calls that are announced again: after a recovery, and after a login that joined."""
        self._ended: set[str] = set()
        self._unread: set[str] = set()
        """Calls that began by an event that it does not read: MONITORING."""
        self._handed_over = False
        """The last call that was told has DROPPED and goes on as another one, which comes next."""
        self._logging_out = False
        """It was told LOGOUT while it shows calls: right only where the server refuses the agent from now on."""

    def receive(self, event: Event) -> None:
        """Read an event; raises `DeskMisled`."""
        name = event.get("event")
        need(isinstance(name, str), "an event without a name")
        if name == "Error":
            self._error(_object(event, "response", name))
            return
        lowered = str(name).lower()
        if lowered in (*_HANDLED, "agentinfo", "xmppevent"):
            self.finish()
        match lowered:
            case "agentinfo":
                self._agent_info(_object(event, "response", str(name)))
            case "xmppevent":
                self._service(_object(event, "response", str(name)))
            case "monitoring":
                self._unread.add(str(_object(_object(event, "response", str(name)), "dialog", str(name)).get("id")))
            case "snapshot":  # this desk never resumes; after it another one knows no more what it missed
                self._complete = False
                self.calls.clear()
            case _ if lowered in _HANDLED:
                self._dialog_event(lowered, str(name), _object(event, "response", str(name)))

    def finish(self) -> None:
        """Nothing more comes; raises `DeskMisled` where an agent logged out with calls that never ended."""
        if self._logging_out:
            self._logging_out = False
            self._all_ended("agentInfo LOGOUT")

    # The agent

    def _agent_info(self, response: Json) -> None:
        state = response.get("state")
        need(isinstance(state, str) and state.lower() in ("login", "logout"), f"agentInfo: state is {_kind(state)}")
        self.logged_in = str(state).lower() == "login"
        self._again = set(self.calls)
        if not self.logged_in:
            self.ready = False
            self._logging_out = bool(self.calls)
        elif self.in_service:
            self.ready = True  # §9.2

    def _service(self, response: Json) -> None:
        service = response.get("type")
        need(service in ("IN_SERVICE", "OUT_OF_SERVICE"), f"xmppEvent: type is {_kind(service)}")
        self.in_service = service == "IN_SERVICE"
        if self.in_service:
            self._again = set(self.calls)

    def _error(self, response: Json) -> None:
        kind, description = response.get("type"), response.get("description")
        need(isinstance(kind, str) and kind.lower() in _ERRORS, f"Error: type is {_kind(kind)}")
        need(isinstance(description, str), f"Error: description is {_kind(description)}; it is dereferenced")
        need("dialog" not in response, "Error with a dialog: the desk ends the call that it finds there (RB §8.24)")
        lowered = str(kind).lower()
        if lowered == "subscriptionfailed":
            need(self.logged_in is False, "Error subscriptionFailed before agentInfo LOGOUT")
            self._logging_out = False  # a server that refuses a registration leaves the calls alone (RB §3.1)
        if lowered == "generalerror":
            text = str(description)
            near = "monitoring" in text.lower() and "hold" in text.lower() and text.lower().startswith("call ")
            need(not near or text == MONITORING_HELD, "Error: the text for a monitored call on hold is misspelt")
            self._refused(response)
        elif lowered in ("invalidstate", "networkissue"):
            self.ready = False

    def _refused(self, response: Json) -> None:
        """An outbound call that the other side refused is DROPPED before its Error, which else stands for no call."""
        call = self.calls.get(str(response.get("dialogId")))
        dialling = call is not None and call.state in ("INITIATING", "INITIATED")
        need(not dialling or response.get("code") in CODES, "Error of a refused call before its DROPPED")

    # Calls

    def _dialog_event(self, lowered: str, name: str, response: Json) -> None:
        need(isinstance(response.get("loginId"), str), f"{name}: loginId is {_kind(response.get('loginId'))}")
        need("dialog" in response, f"{name} without the key dialog")
        if response["dialog"] is None:
            need(lowered == "dialogstate", f"{name}: dialog is null; only a dialogState's may be")
            self._all_ended("dialogState without a dialog")
            self._complete = True
            return
        dialog = _object(response, "dialog", name)
        own = _own(dialog, str(response["loginId"]), name)
        _record(dialog, own, name)
        state = str(dialog["state"])
        need(state in _HANDLED[lowered], f"{name} {state}: the desk's handler of this event does not expect it")
        call = self.calls.get(str(dialog["id"]))
        again = str(dialog["id"]) in self._again
        self._again.discard(str(dialog["id"]))
        handed_over = state == "DROPPED" and call is not None and not dialog["isCallEnded"]
        match state:
            case "INITIATING" | "INITIATED" | "ALERTING":
                if lowered != "dialogstate":  # as dialogState they only answer a question
                    self._beginning(lowered, name, dialog, call, again, str(response["loginId"]))
            case "ACTIVE":
                self._active(lowered, dialog, own, call, str(response["loginId"]))
            case "HELD":
                self._held(lowered, dialog, call, str(response["loginId"]))
            case "DROPPED":
                self._dropped(lowered, name, dialog, call)
        self._handed_over = handed_over

    def _beginning(
        self, lowered: str, name: str, dialog: Json, call: Shown | None, again: bool, extension: str
    ) -> None:
        """Dialling or ringing: the customer is identified once, the popup comes once."""
        state, said = str(dialog["state"]), f"{name} {dialog['state']}"
        need(call is not None or self.logged_in is not False, f"{said} of an agent that is logged out")
        if call is None:
            if state == "INITIATED":
                need(not self._complete, f"{said} without INITIATING: the customer is never identified")
            call = self._show(lowered, dialog, extension)
            if call.role == "consult" and self._complete:
                need(self._customer() is not None, f"{said}: a consult toolbar without a customer's call")
            self.reports.append(("identified", call.id))
            return
        order = ("INITIATING", "INITIATED")
        if again and call.state == state:
            return
        changed = dialog["callVariables"] != call.variables
        if state == call.state and changed and state != "INITIATING":
            call.variables = dialog["callVariables"]
            return
        forward = state in order and call.state in order and order.index(call.state) < order.index(state)
        need(
            forward, f"{said} of a call that is {call.state}: the customer is looked up again, or the popup comes again"
        )
        call.state = state

    def _active(self, lowered: str, dialog: Json, own: Json, call: Shown | None, extension: str) -> None:
        call_type = str(dialog["callType"])
        said = f"ACTIVE of a call of type {call_type}"
        taken_over = call_type in _TAKEN_OVER
        if call is None:
            need(not self._complete or taken_over, f"{said} that never rang or dialled here")
            if self._complete and call_type != "MONITORING":
                self._no_consult_left(said)
                need(dialog["isCallAlreadyActive"], f"{said} that is taken over, and yet told as a new call")
            call = self._show(lowered, dialog, extension)
            call.began = bool(dialog["isCallAlreadyActive"])
        elif taken_over and call.state in ("ACTIVE", "HELD") and call_type == "CONFERENCE" and lowered == "dialogstate":
            call.role = "customer"  # a campaign call goes on as a dialogState
        self._same_event(lowered, "ACTIVE", call)
        conference = call_type == "CONFERENCE"
        need(conference or own["state"] == "ACTIVE", f"{said}, but the agent's own participant is {own['state']}")
        if not call.began:
            need(
                not dialog["isCallAlreadyActive"],
                f"{said} for the first time, with isCallAlreadyActive: its start is never reported",
            )
            call.began = True
            self.reports.append(("started", call.id))
        elif call.ever_held:
            need(dialog["isCallAlreadyActive"], f"{said} after a hold, without isCallAlreadyActive: a second start")
        if call.state == "HELD":
            self.reports.append(("resumed", call.id))
        call.state = "ACTIVE"
        self._other_waits(call)

    def _held(self, lowered: str, dialog: Json, call: Shown | None, extension: str) -> None:
        if call is None:
            need(not self._complete, "HELD of a call that never was ACTIVE here")
            call = self._show(lowered, dialog, extension)
            call.began = True
        need(call.began, "HELD of a call whose start was not reported")
        self._same_event(lowered, "HELD", call)
        if call.state != "HELD":
            self.reports.append(("held", call.id))
        call.state, call.ever_held = "HELD", True
        self._other_goes_on(call)

    def _dropped(self, lowered: str, name: str, dialog: Json, call: Shown | None) -> None:
        identity, reason, ended = str(dialog["id"]), dialog["callEndReason"], dialog["isCallEnded"]
        need(reason is None or isinstance(reason, str), f"{name} DROPPED: callEndReason is {_kind(reason)}")
        if reason is not None:
            meant = _meant(reason)
            need(meant is None, f"{name} DROPPED: the desk does not know this spelling of callEndReason {meant}")
            moved = reason.lower() in [known.lower() for known in TRANSFER_REASONS]
            need(not (moved and ended), f"{name} DROPPED with a transfer's reason, but isCallEnded 1 (RB §8.10)")
        told = reason is not None or dialog["callType"] == "CONFERENCE"  # which goes on without who leaves it
        need(ended or told, f"{name} DROPPED with isCallEnded 0 and no reason: where does it go on?")
        if call is None and identity in self._unread:
            self._unread.discard(identity)
            return
        if call is None:
            need(identity not in self._ended, f"{name} DROPPED of a call that has ended: its end is reported twice")
            unheard = reason is None or not self._complete
            need(unheard, f"{name} DROPPED with a reason, of a call that was never announced")
            return
        self._same_event(lowered, "DROPPED", call)
        del self.calls[identity]
        self._again.discard(identity)
        self._ended.add(identity)
        self.reports.append(("ended", identity))

    def _show(self, lowered: str, dialog: Json, extension: str) -> Shown:
        role: Literal["customer", "campaign", "consult", "consulted"] = "customer"
        if lowered == "consultcall":
            role = "consult" if dialog["fromAddress"] == extension else "consulted"
        elif lowered == "campaigncall":
            role = "campaign"
        call = Shown(str(dialog["id"]), role, str(dialog["state"]), variables=dialog["callVariables"])
        self.calls[call.id] = call
        return call

    def _same_event(self, lowered: str, state: str, call: Shown) -> None:
        """A consult is told by its own event to the end, a campaign call by its own, the others by dialogState."""
        expected = {"consult": "consultcall", "consulted": "consultcall", "campaign": "campaigncall"}.get(
            call.role, "dialogstate"
        )
        need(lowered == expected, f"{state} of a {call.role} call as {lowered}; the desk reads it from {expected}")

    def _no_consult_left(self, said: str) -> None:
        left = [call for call in self.calls.values() if call.role == "consulted" and call.state in ("ACTIVE", "HELD")]
        need(
            not left or self._handed_over,
            f"{said} while the ConsultCall it comes from is not DROPPED: two calls are shown for one",
        )

    def _customer(self) -> Shown | None:
        return next(
            (call for call in self.calls.values() if call.role in ("customer", "campaign") and call.began), None
        )

    def _consult(self) -> Shown | None:
        return next((call for call in self.calls.values() if call.role == "consult"), None)

    def _other_waits(self, call: Shown) -> None:
        """The customer speaks, or the consulted one: the desk holds the other."""
        other = self._customer() if call.role == "consult" else self._consult()
        if other is not None and call.role != "consulted" and other.state == "ACTIVE":
            self.commands.append(("holdCall", other.id))

    def _other_goes_on(self, call: Shown) -> None:
        other = self._customer() if call.role == "consult" else self._consult()
        if other is not None and call.role != "consulted" and other.state == "HELD":
            self.commands.append(("retrieveCall", other.id))

    def _all_ended(self, said: str) -> None:
        """The desk forgets what it shows; what it reported as begun would never end."""
        left = [f"{call.role} {call.state}" for call in self.calls.values()]
        self.calls.clear()
        need(not left, f"{said} while calls are shown, whose end is never reported: {', '.join(left)}")


def _object(holder: Json, key: str, name: object) -> Json:
    found = holder.get(key)
    need(isinstance(found, dict), f"{name}: {key} is {_kind(found)}")
    return dict(found or {})


def _own(dialog: Json, extension: str, name: str) -> Json:
    """The participant that is the agent: found by its number."""
    participants = dialog.get("participants")
    need(isinstance(participants, list), f"{name}: participants is {_kind(participants)}, not an array")
    for one in participants or []:
        need(isinstance(one, dict), f"{name}: a participant is {_kind(one)}")
        for key in ("mediaAddress", "state"):
            need(isinstance(one.get(key), str), f"{name}: a participant's {key} is {_kind(one.get(key))}")
        need(isinstance(one.get("mute"), bool), f"{name}: a participant's mute is {_kind(one.get('mute'))}")
        for key in ("startTime", "stateChangeTime"):
            need(_is_date(one.get(key)), f"{name}: a participant's {key} is no date that a browser can read")
    own = [one for one in participants or [] if one["mediaAddress"] == extension]
    need(len(own) == 1, f"{name}: {len(own)} participants are the agent")
    return dict(own[0])


def _record(dialog: Json, own: Json, name: str) -> None:
    """The fields that the desk reads of any dialog."""
    for key in _TEXTS:
        need(isinstance(dialog.get(key), str), f"{name}: {key} is {_kind(dialog.get(key))}")
    state = str(dialog["state"])
    need(state in _STATES, f"{name}: a state that the desk does not know")
    ended, active = dialog.get("isCallEnded"), dialog.get("isCallAlreadyActive")
    need(type(ended) is int and ended in (0, 1), f"{name}: isCallEnded is {_kind(ended)}, not 0 or 1")
    need(isinstance(active, bool), f"{name}: isCallAlreadyActive is {_kind(active)}")
    need("callEndReason" in dialog, f"{name} without the key callEndReason")
    need(state == "DROPPED" or ended == 0, f"{name} {state} with isCallEnded 1 (RB §8.10)")
    need(state != "DROPPED" or own["state"] == "DROPPED", f"{name} DROPPED, but the agent is {own['state']}")
    variables = dialog.get("callVariables")
    listed = variables.get("CallVariable") if isinstance(variables, dict) else None
    need(isinstance(listed, list), f"{name}: callVariables.CallVariable is {_kind(listed)}, not an array")
    for variable in listed or []:
        pair = isinstance(variable, dict) and all(isinstance(variable.get(key), str) for key in ("name", "value"))
        need(pair, f"{name}: a call variable is no name and value")


def _meant(reason: str) -> str | None:
    """The known reason that a text is another spelling of; none where it is spelt as the desk knows it."""
    plain = _plain(reason)
    for known in EXACT_REASONS:
        if plain == _plain(known) and reason != known:
            return known
    for known in TRANSFER_REASONS:
        if plain == _plain(known) and reason.lower() != known.lower():
            return known
    return None


def _plain(text: str) -> str:
    letters = re.sub(r"[^a-z]", "", text.lower())
    return letters.replace("transferred", "transfered").replace("cancelled", "canceled")


def _is_date(value: object) -> bool:
    if not isinstance(value, str) or not JS_DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _kind(value: object) -> str:
    """A value without what may be a number of somebody."""
    if isinstance(value, str):
        return f"a text of {len(value)}"
    return "null" if value is None else f"{type(value).__name__}"
