"""What all parts of one agent share: its user agent, its calls, its outputs, and what was asked of the media engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from msgspec.structs import replace

from offhook.clock import Ids, Now, TimerOwner, Timers
from offhook.cti.call import Call, Phase
from offhook.cti.commands import AnswerCall, ConvertCall
from offhook.cti.dialect import Dialect
from offhook.cti.dialog import event_of
from offhook.cti.events import Dialog
from offhook.cti.outcomes import Outcomes, Ticket
from offhook.cti.settings import AgentSettings
from offhook.cti.stream import Outbox
from offhook.media.engine import (
    ApplyAnswer,
    CreateAnswer,
    CreateOffer,
    Direction,
    EngineRequest,
    GetStats,
    SendDigits,
    VideoKind,
)
from offhook.sip.user_agent import UserAgent

ENGINE_TIMER = "engine:"
DIGIT_GAP_MS = 100


class Purpose(Enum):
    """What an engine's outcome is for."""

    DIAL = "dial"
    """The offer of a call that is to be made."""
    ANSWER = "answer"
    """What goes into our 200."""
    APPLY = "apply"
    """The other side's answer is taken over, before the call is up."""
    REAPPLY = "reapply"
    """The same, of a call that is up."""
    RENEGOTIATE = "renegotiate"
    """The offer of a hold or retrieve."""
    REMOTE = "remote"
    """What answers an offer (or an offerless re-INVITE) of the other side."""
    RECOVER = "recover"
    """The offer by which a call is taken over, from a media session that is not the call's yet."""
    RECOVERED = "recovered"
    """The answer to that is taken over."""
    DIGITS = "digits"
    STATS = "stats"


@dataclass(slots=True, eq=False)
class Asked:
    """A request to the engine that has no outcome yet."""

    call: Call
    purpose: Purpose
    ticket: Ticket | None = None


@dataclass(slots=True)
class Workplace:
    """`owner` owns all timers of the calls; they are named `<what>:<id>`."""

    settings: AgentSettings
    extension: str
    ua: UserAgent
    outbox: Outbox
    outcomes: Outcomes
    timers: Timers
    ids: Ids
    dialect: Dialect
    owner: TimerOwner
    calls: dict[str, Call] = field(default_factory=dict)
    """Live ones by dialog id."""
    sessions: dict[str, Call] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    """Requests to the engine by their id."""
    supervisor: bool = False
    """It may listen to others' calls, though the settings do not name it."""

    def tell(self, call: Call, now: Now, dialog: Dialog | None = None) -> None:
        """The event of this call, as its record is now (or as given), to every desk."""
        call.announced = True
        self.outbox.publish(event_of(call.kind, dialog or call.dialog, self.extension), now)

    def new_media(self) -> str:
        return f"{self.extension}.{self.ids.token(64)}"

    def up(self) -> list[Call]:
        return [call for call in self.calls.values() if call.phase is Phase.UP]

    def consults(self) -> list[Call]:
        """Our own consults that are not ending."""
        over = (Phase.ENDING, Phase.OVER)
        return [call for call in self.calls.values() if call.customer is not None and call.phase not in over]

    def consult_about(self, customer: Call) -> Call | None:
        """Our consult about this call."""
        return next((call for call in self.consults() if call.customer is customer), None)

    def attach(self, call: Call, session: str) -> None:
        """From now on this session is that of the call."""
        call.session = session
        self.sessions[session] = call

    def rename(self, call: Call, dialog_id: str) -> None:
        """Give a live call, whose timers are not running, another id; one that is not in use."""
        old = call.id
        call.known_as = call.known_as or old
        call.dialog = replace(call.dialog, id=dialog_id)
        calls = list(self.calls.values())
        self.calls.clear()
        for other in calls:  # they stay in their order
            self.calls[other.id] = other
            if old in other.holds:
                other.holds.remove(old)
                other.holds.add(dialog_id)

    def make_offer(
        self,
        call: Call,
        purpose: Purpose,
        direction: Direction,
        now: Now,
        video: Direction | None = None,
        *,
        media: str | None = None,
    ) -> None:
        """`media`: another session than the call's, which is to follow it."""
        follows = "" if media is None or call.restored else call.media
        request = CreateOffer(self._id(), media or call.media, direction, video, _kind(call), follows)
        self._ask(request, Asked(call, purpose), now)

    def make_answer(
        self,
        call: Call,
        purpose: Purpose,
        offer: str,
        direction: Direction,
        now: Now,
        video: Direction | None = None,
    ) -> None:
        request = CreateAnswer(self._id(), call.media, offer, direction, video, _kind(call))
        self._ask(request, Asked(call, purpose), now)

    def apply_answer(self, call: Call, answer: str, now: Now, *, media: str | None = None) -> None:
        """`media`: another session than the call's, which it is to follow."""
        purpose = Purpose.REAPPLY if call.phase is Phase.UP else Purpose.APPLY
        if media is not None:
            purpose = Purpose.RECOVERED
        self._ask(ApplyAnswer(self._id(), media or call.media, answer), Asked(call, purpose), now)

    def send_digits(self, call: Call, digits: str, now: Now) -> None:
        duration = self.settings.dtmf_duration_ms
        request = SendDigits(self._id(), call.media, digits, duration, DIGIT_GAP_MS)
        longer = len(digits) * (duration + DIGIT_GAP_MS) / 1000
        self._ask(request, Asked(call, Purpose.DIGITS), now, longer)

    def ask_stats(self, call: Call, ticket: Ticket, now: Now) -> None:
        self._ask(GetStats(self._id(), call.media), Asked(call, Purpose.STATS, ticket), now)

    def take(self, request_id: str) -> Asked | None:
        """What that outcome is for; None where it comes too late."""
        asked = self.asked.pop(request_id, None)
        if asked is not None:
            self.timers.cancel(self.owner, f"{ENGINE_TIMER}{request_id}")
        return asked

    def forget(self, call: Call, *purposes: Purpose) -> list[Ticket]:
        """Outcomes for these purposes (none named: all) are not wanted; returns the tickets that wait for them."""
        tickets = []
        for request_id, asked in list(self.asked.items()):
            if asked.call is call and (not purposes or asked.purpose in purposes):
                self.take(request_id)
                if asked.ticket is not None:
                    tickets.append(asked.ticket)
        return tickets

    def _id(self) -> str:
        return self.ids.token(64)

    def _ask(
        self,
        request: CreateOffer | CreateAnswer | ApplyAnswer | SendDigits | GetStats,
        asked: Asked,
        now: Now,
        longer: float = 0.0,
    ) -> None:
        self.asked[request.id] = asked
        at = now.monotonic + self.settings.media_timeout + longer
        self.timers.set(self.owner, f"{ENGINE_TIMER}{request.id}", at)
        self.put(request)

    def put(self, request: EngineRequest) -> None:
        self.outbox.put(request)


def _kind(call: Call) -> VideoKind:
    """What the agent shows, or is about to."""
    shown: str | None = call.stream
    command = None if call.task is None else call.task.command
    if isinstance(command, AnswerCall):
        shown = command.answerCalltype
    elif isinstance(command, ConvertCall) and command.streamStatus == "on":
        shown = command.streamType
    elif call.phase is not Phase.UP and call.outgoing is not None:
        shown = call.outgoing.video
    return "screen" if shown == "screenshare" else "camera"
