"""One call of an agent: what it is at, what is under way on it, and the table of how it gets on.

A CTI call is not a SIP dialog: `dialog.id`, `session` and `media` are three names of three objects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from msgspec import UNSET

from offhook.clock import Now
from offhook.cti.commands import Command
from offhook.cti.dialog import CONFERENCE, Kind
from offhook.cti.errors import Failure
from offhook.cti.events import Dialog
from offhook.cti.outcomes import Ticket
from offhook.cti.recovery import Recovery
from offhook.cti.words import Ask, Stream, Word
from offhook.media.engine import Direction
from offhook.sip.events import SessionEnded


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
    ends: bool = False
    """A whisper that ends the one before."""
    ahead_of: Call | None = None
    """The call that is to be answered after it."""
    rest: str = field(default="", repr=False)
    """The digits that are not sent yet."""
    asked: str | None = None
    """The INFO that the task waits for."""
    inquiry: Inquiry | None = None
    """What the server was asked for, where its word is waited for."""
    part_of: Ticket | None = None
    """The command of which it is the first step: the time of both begins together."""
    then: Callable[[Failure | None, Now], None] | None = None
    """What goes on after it; gets why it failed, or None."""
    ends_well: bool = False
    """The end of the call does not fail it: a transfer that came about."""
    result: Any = UNSET
    """What its commandResult says besides, where it ends well with the call."""


Changed = Callable[[Failure | None, str, Now], None]
"""Told what came of a renegotiation: why it failed, or None and the answer of the other side."""


@dataclass(slots=True, eq=False)
class Renegotiation:
    """An offer of ours under way, a hold or retrieve mostly; outlives its task when that runs out of time."""

    hold: bool
    """Whether the call is held once it is accepted."""
    task: Task | None
    direction: Direction
    video: Direction | None
    changed: Changed | None = None
    """Of one that neither holds nor retrieves."""
    stage: Stage = Stage.WAITING
    answer: str = field(default="", repr=False)


@dataclass(slots=True, eq=False)
class Inquiry:
    """Something that the server was asked for."""

    ask: Ask
    session: str
    rest: tuple[tuple[str, str], ...] = field(repr=False)
    """The INFOs that have not left yet."""
    heard: Callable[[Failure | None, Word | None, Now], None]
    """Gets why it failed, or None; and the word that told it, where one did."""
    lost: bool = False
    """No answer came: whether it arrived is not known."""
    checking: bool = False
    """The server was told how we are as a member, which it takes only from those who are in a conference."""


@dataclass(slots=True, eq=False)
class Transfer:
    """A REFER that is out; outlives its task when that runs out of time."""

    reason: str
    """The callEndReason, where it comes about."""
    task: Task | None
    """None: its command had all its time."""
    consult: Call | None = None
    """The call whose other party takes over; None in a blind transfer."""
    before: Transfer | None = None
    """An earlier one whose command had all its time: it may come about all the same."""
    ringing: bool = False
    """The consult was not answered when the REFER left."""
    refer: str | None = None
    """What the events of the REFER name it by; None while it waits to be sent."""
    accepted_at: float | None = None
    """When its 2xx came."""
    reported: bool = False
    """Provisional reports came: this server tells what happens."""
    succeeded_at: float | None = None
    """When the final report came that it came about."""
    by_report: bool = False
    """Only a report can tell success, no BYE: the command had all its time, or one of two legs ended alone."""
    kept: dict[str, SessionEnded] = field(default_factory=dict)
    """Ends of the two calls that are not told yet, by dialog id: the other one may belong to the same transfer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """What the server tells when a consult becomes the customer's call; None where the INVITE of the consult holds."""

    number: str | None = field(default=None, repr=False)
    dialog_id: str | None = None
    destination: str | None = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class Outgoing:
    """How we call: what goes into the INVITE, and the command that wanted it."""

    ticket: Ticket | None
    """None: it was another process's."""
    target: str = field(repr=False)
    """The user part of the Request-URI."""
    headers: list[tuple[str, str]] = field(repr=False)
    direction: Direction = Direction.SENDRECV
    """Of our offers, while the call is not held; a silent monitor's is RECVONLY."""
    video: Stream | None = None
    """What the agent wants the other side to see from the beginning."""


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
    """From another process: there is no audio here yet."""
    untold: bool = False
    """So: that it was answered nobody has been told."""
    recovery: Recovery | None = None
    """Its connection was lost, and it is on its way back."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Of the INVITE that we made it by: the server wants them again of the one that takes it over."""
    renegotiation: Renegotiation | None = None
    renegotiated_at: float = -1.0
    """When our last hold or retrieve got its 2xx (monotonic)."""
    joined_at: float = -1.0
    """When the server began to join us with the other party: we answered, or it gives back what was not transferred
    (monotonic). It is no use any more once it says that it has."""
    given_back: bool = False
    """The last time it was the latter."""
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
    customer: Call | None = None
    """Of a consult that we made: the call that it is about."""
    customer_id: str | None = None
    """Of a consult that came in: the dialog id of the call that it is about, which it takes over with the customer."""
    queued: bool = False
    """It is up with a queue; the server tells when an agent took it."""
    takeover: Takeover | None = None
    """We were consulted and have the customer now, which is told once the call is up and active."""
    transfer: Transfer | None = None
    referred: bool = False
    """The server has a REFER of ours about it, of which no failure is known."""
    passed_on: str | None = None
    """The callEndReason of a call that goes on elsewhere without us, with isCallEnded 0."""
    known_as: str | None = None
    """Its first dialog id, where it has another one by now; the server may go on naming it so."""
    refused_as: str | None = None
    """The code of why our call did not come about; known before its end where a MESSAGE says so."""
    listens: bool = False
    """We called to listen to somebody else's call, whispering or not."""
    silent: bool = False
    """So: nothing is sent from the microphone, whatever else holds."""
    whispering: bool = False
    audited: tuple[str, ...] = ()
    """What of listening the audit was told to have begun, and is to be told the end of."""
    conference: str | None = None
    """What the server calls the conference."""
    video: Direction | None = None
    """Of our offers while the call is not held; None: none. SENDRECV only if the agent turned it on."""
    stream: Stream | None = None
    """What the agent turned on."""
    agent: str | None = field(default=None, repr=False)
    """Who answered our call, where the server tells: MESSAGEs are for that extension."""
    converted: str | None = None
    """When the other side turned video on or off for the last time, by its own clock."""
    video_offer: str = field(default="", repr=False)
    """The offer under way of the other side, where we would take its video."""
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

    def direction(self, held: bool) -> Direction:
        """The direction of our offers and answers; who only listens sends nothing while it holds either (RB §3.6)."""
        if not held:
            return self.talking
        return Direction.INACTIVE if self.talking is Direction.RECVONLY else Direction.SENDONLY

    def video_while(self, held: bool) -> Direction | None:
        """The direction of video: as agreed, but that a call that is held sees nothing of us."""
        return None if held else self.video

    @property
    def waits(self) -> bool:
        """Whether nothing may be sent in it: it is on its way back from a lost connection."""
        return self.recovery is not None and self.recovery.blocks

    @property
    def in_conference(self) -> bool:
        return self.dialog.callType == CONFERENCE

    @property
    def begins_consult(self) -> bool:
        """It is being held for a consult, or is about to be."""
        return any(task is not None and task.part_of is not None for task in (self.task, *self.tasks))

    @property
    def transferring(self) -> bool:
        """A transfer of ours may end it: its own, or that of the customer whom the consult is about."""
        about = self.customer
        return self.referred or self.transfer is not None or (about is not None and about.transferring)

    @property
    def others(self) -> frozenset[str]:
        """The other members of its conference."""
        return frozenset(each.mediaAddress for each in self.dialog.participants[1:])

    def can(self, step: Step) -> bool:
        return (self.phase, step) in STEPS

    def step(self, step: Step) -> bool:
        """Move on; False where the step does not fit the phase, and nothing changes."""
        phase = STEPS.get((self.phase, step))
        if phase is None:
            return False
        self.phase = phase
        return True
