"""One call of an agent: what it is at, what is under way on it, and the table of how it gets on.

A CTI call is not a SIP dialog: `dialog.id`, `session` and `media` are three names of three objects.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from offhook.cti.commands import Command
from offhook.cti.dialog import Kind
from offhook.cti.events import Dialog
from offhook.cti.outcomes import Ticket
from offhook.media.engine import Direction


class Phase(Enum):
    """What a call is at. Held or not is no phase: `Call.held`."""

    OFFERING = "offering"
    """Ours, and the engine makes the offer; nothing has been sent."""
    CALLING = "calling"
    """Ours; the INVITE is out."""
    RINGING = "ringing"
    """Theirs; it rings here."""
    ANSWERING = "answering"
    """Theirs; another call is being held, or the engine makes the answer."""
    ACCEPTED = "accepted"
    """Theirs; the 200 is out, its ACK is not in."""
    UP = "up"
    ENDING = "ending"
    """The agent (or we) hung up; the session's end has not been told yet."""
    OVER = "over"


class Step(Enum):
    """What moves a call on."""

    OFFERED = "offered"
    ANSWER = "answer"
    BACK = "back"
    ACCEPT = "accept"
    ESTABLISHED = "established"
    HANG_UP = "hang up"
    END = "end"


# One row an arrow; what is not here does not move a call.
STEPS: dict[tuple[Phase, Step], Phase] = {
    (Phase.OFFERING, Step.OFFERED): Phase.CALLING,
    (Phase.OFFERING, Step.END): Phase.OVER,
    (Phase.CALLING, Step.ESTABLISHED): Phase.UP,
    (Phase.CALLING, Step.HANG_UP): Phase.ENDING,
    (Phase.CALLING, Step.END): Phase.OVER,
    (Phase.RINGING, Step.ANSWER): Phase.ANSWERING,
    (Phase.RINGING, Step.HANG_UP): Phase.ENDING,
    (Phase.RINGING, Step.END): Phase.OVER,
    (Phase.ANSWERING, Step.ACCEPT): Phase.ACCEPTED,
    (Phase.ANSWERING, Step.BACK): Phase.RINGING,
    (Phase.ANSWERING, Step.HANG_UP): Phase.ENDING,
    (Phase.ANSWERING, Step.END): Phase.OVER,
    (Phase.ACCEPTED, Step.ESTABLISHED): Phase.UP,
    (Phase.ACCEPTED, Step.HANG_UP): Phase.ENDING,
    (Phase.ACCEPTED, Step.END): Phase.OVER,
    (Phase.UP, Step.HANG_UP): Phase.ENDING,
    (Phase.UP, Step.END): Phase.OVER,
    (Phase.ENDING, Step.END): Phase.OVER,
}

UNANSWERED = frozenset({Phase.RINGING, Phase.ANSWERING})


class Stage(Enum):
    """How far a hold or retrieve has come."""

    WAITING = "waiting"
    """The session is busy with an offer of the other side."""
    OFFERING = "offering"
    SENT = "sent"


@dataclass(slots=True, eq=False)
class Task:
    """A command on a call, in its turn."""

    command: Command
    ticket: Ticket
    own: bool = False
    """Ours, not a desk's: where the call is not up any more, there is nothing to tell."""
    ahead_of: Call | None = None
    """The call that is to be answered after it."""
    rest: str = field(default="", repr=False)
    """The digits that are not sent yet."""
    asked: str | None = None
    """The INFO that the task waits for."""


@dataclass(slots=True, eq=False)
class Renegotiation:
    """A hold (or retrieve) under way; outlives its task when that runs out of time."""

    hold: bool
    stage: Stage = Stage.WAITING


@dataclass(slots=True, eq=False)
class Outgoing:
    """How we call: what goes into the INVITE, and the command that wanted it."""

    ticket: Ticket
    target: str = field(repr=False)
    """The user part of the Request-URI."""
    headers: list[tuple[str, str]] = field(repr=False)
    direction: Direction = Direction.SENDRECV
    """Of our offers, while the call is not held; a silent monitor's is RECVONLY."""


@dataclass(slots=True, eq=False)
class Call:
    """The record of the call and all that is under way on it."""

    dialog: Dialog
    kind: Kind
    media: str
    phase: Phase
    session: str | None = None
    offer: str | None = field(default=None, repr=False)
    """The offer of the INVITE; None where it had none, or the call is ours."""
    announced: bool = False
    """Desks have been told of it, so its end is told too."""
    answered: bool = False
    """The 200 has come or gone out."""
    held: bool = False
    parked: bool = False
    """Held by us because the page was gone."""
    restored: bool = False
    """From another process: there is no audio here."""
    renegotiation: Renegotiation | None = None
    remote_offer: bool = False
    """An offer of the other side is being answered."""
    remote_hold: bool = False
    """What the offer or answer under way says about the other side's hold."""
    rejected: bool = False
    """The agent refused it while it rang."""
    released: bool = False
    """The agent, or we for a failure of ours, hung up."""
    outgoing: Outgoing | None = None
    """None: it came in (or is from another process)."""
    releases: list[Ticket] = field(default_factory=list)
    same_answer: list[Ticket] = field(default_factory=list)
    """Further answerCalls that came while it was being answered."""
    holds: set[str] = field(default_factory=set)
    """Dialogs that are being held before this call is answered."""
    task: Task | None = None
    tasks: deque[Task] = field(default_factory=deque)

    @property
    def id(self) -> str:
        return self.dialog.id

    @property
    def dial(self) -> Ticket | None:
        """The command that made it."""
        return None if self.outgoing is None else self.outgoing.ticket

    @property
    def talking(self) -> Direction:
        """The direction of our offers while the call is not held."""
        return Direction.SENDRECV if self.outgoing is None else self.outgoing.direction

    def can(self, step: Step) -> bool:
        return (self.phase, step) in STEPS

    def step(self, step: Step) -> bool:
        """Move on; False where the step does not fit the phase, and nothing changes."""
        phase = STEPS.get((self.phase, step))
        if phase is None:
            return False
        self.phase = phase
        return True
