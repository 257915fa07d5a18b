"""What becomes of a call, by the state it is in and by what goes wrong: one table, which tests run and docs show.

docs/reference/recovery.md is made of it; tests/cti/test_recovery_table.py runs each cell on the development switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

States = dict[str, str]

STATES: States = {
    "dialling": "Our INVITE is out and it rings there.",
    "ringing in": "It rings here.",
    "answering": "Our 200 is out, its ACK is not in.",
    "active": "",
    "held": "We hold it.",
    "hold in flight": "The re-INVITE of a `holdCall` is out.",
    "REFER pending": "An `SST` was accepted, and its target rings.",
    "consult": "The customer is held, the consult is up.",
    "conference": "The customer, this agent and the one it consulted.",
    "monitoring": "A supervisor listens.",
}

FAULTS: States = {
    "loud": "The socket is reset; the server is there.",
    "silent": "The network is gone for 40 s: nothing arrives, nobody is told. The probe notices after 25 s.",
    "restart": "The server is gone, and another one, which knows no call, is there half a second later.",
    "503": "The socket is reset, and the server refuses the registration with 503 for 6 s.",
}

Fate = Literal["lives", "ends", "is passed on"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason`: the callEndReason of what ended. `told`: whether the outage is told (3 s)."""

    fate: Fate
    told: bool
    note: str
    reason: str | None = None
    state: str = ""
    """What it is told to be afterwards, where that is another state than before."""


LOST, BLIND = "CONNECTION_LOST", "direct-transfered"
_TAKEN = "Taken over by INVITE with Replaces; the dialog's id, its variables and mute stay."
_GONE = "OPTIONS is answered 481: DROPPED, once."


def _same(fate: Fate, note: str, reason: str | None = None, **others: Outcome) -> dict[str, Outcome]:
    """One row, where the faults differ only in what is told of the outage."""
    told = {"loud": False, "silent": True, "restart": False, "503": True}
    return {fault: others.get(fault) or Outcome(fate, told[fault], note, reason) for fault in FAULTS}


def _lasting(note: str) -> dict[str, Outcome]:
    """A row of a call that is up."""
    row = _same("lives", note)
    return {**row, "restart": Outcome("ends", False, _GONE, LOST)}


TABLE: dict[str, dict[str, Outcome]] = {
    "dialling": _same(
        "ends", "DROPPED and an Error at the loss; whoever is called is let go by BYE when the connection is back."
    ),
    "ringing in": _same("ends", "DROPPED at the loss: the server has let go of it.", "Canceled"),
    "answering": {
        fault: Outcome(each.fate, each.told, each.note, each.reason, "ACTIVE")
        for fault, each in _lasting("Told ACTIVE; then as `active`.").items()
    }
    | {
        "silent": Outcome(
            "ends", True, "The server never had the 200: told ACTIVE when the loss shows, then DROPPED.", LOST
        )
    },
    "active": _lasting(_TAKEN),
    "held": _lasting(_TAKEN + " Held again."),
    "hold in flight": {
        fault: Outcome(each.fate, each.told, each.note, each.reason, "HELD")
        for fault, each in _lasting(_TAKEN + " Then held: the command is done.").items()
    }
    | {"silent": Outcome("lives", True, _TAKEN + " The command had no more time: it fails, and the call is not held.")},
    "REFER pending": {
        **_same(
            "lives",
            "Not touched while the command has time, but asked after every 2 s. Gone: the server let it go to the "
            "target (`transfer.unconfirmed`). Still there after 40 s: the command fails, the call is taken over; with "
            "a server that leaves the BYE to us it may be silent.",
        ),
        "restart": Outcome("is passed on", False, "Gone, which cannot be told from a transfer that came about.", BLIND),
    },
    "consult": _lasting(_TAKEN + " Both calls; the customer is held again."),
    "conference": _lasting(_TAKEN + " The server has the new leg enter the conference."),
    "monitoring": _lasting(_TAKEN + " Nothing is sent from the microphone."),
}
