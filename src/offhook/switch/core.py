"""The pure core of the development switch: connections and the media engine in, messages and requests out.

    node = SwitchNode(SwitchSettings(), Directory.sample(), ids=ids)
    node.receive(FlowOpened(...), now)
    node.receive(FlowReceived(...), now)
    node.outputs()          # Send(...), CreateAnswer(...), IvrDigits(...)

What tests want of a server that is not SIP comes in as `HangUp`, `Hold`, `Originate` and `Deflect`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from offhook.clock import Ids, Now, Timers
from offhook.errors import RemoteError
from offhook.media.engine import DigitReceived, EngineEvent, MediaConnected, MediaLost
from offhook.sip.events import (
    AnswerReceived,
    DisplayUpdated,
    End,
    Established,
    InviteReceived,
    OfferReceived,
    Progress,
    RenegotiationFailed,
    RequestReceived,
    SessionEnded,
    SipEvent,
)
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowInput,
    FlowOpened,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.user_agent import UserAgent
from offhook.switch.acd import Queues
from offhook.switch.causes import Cause, cause_of
from offhook.switch.channel import Call, Channel, State
from offhook.switch.conference import Rooms, room_of
from offhook.switch.directory import Directory
from offhook.switch.efcx import Messages, StarCodes
from offhook.switch.exchange import Exchange, Heap, Party, SwitchOutput
from offhook.switch.execution import Execution
from offhook.switch.inbound import Inbound
from offhook.switch.outbound import Caller, Outbound
from offhook.switch.reception import Reception
from offhook.switch.takeover import replaced_call_id, take_over
from offhook.switch.transfer import transfer
from offhook.switch.wording import STYLE, SwitchSettings
from offhook.switch.words import CONTENT_TYPE, Words, said

# Inputs


@dataclass(frozen=True, slots=True)
class HangUp:
    """End every channel of that user (FreeSWITCH's uuid_kill)."""

    user: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold every answered channel of that user from the server (uuid_hold), or retrieve it."""

    user: str
    on: bool = True


@dataclass(frozen=True, slots=True)
class Originate:
    """Call a user, with these headers in the INVITE; when it answers, go on with `number` in the dialplan."""

    user: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    name: str = field(default="Campaign", repr=False)
    caller: str = field(default="5551234", repr=False)
    number: str = "9196"


@dataclass(frozen=True, slots=True)
class Deflect:
    """Ask every answered client of that user to call `number` in our place (uuid_deflect): REFER to it."""

    user: str
    number: str


PASSED_UP = frozenset({"REFER"})
"""Requests that the user agent leaves to the switch."""

Control = HangUp | Hold | Originate | Deflect
SwitchInput = FlowInput | EngineEvent | Control


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One live call leg, as a test looks at it."""

    uuid: str
    user: str | None
    """The number of the directory's user at its far end."""
    way: Call
    state: State
    destination: str = field(repr=False)
    held: bool = False
    """By its far end or from the server."""
    peer: str | None = None
    """The leg it is connected with."""
    conference: str | None = None
    """The name of the room it is in."""
    queue: str | None = None
    """The name of the queue in which it waits."""
    listening: str | None = None
    """The leg whose call it listens to."""
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """What agents have set, as `offhook_<name>`."""


class SwitchNode:
    """The switch as an `offhook.driver.Node`."""

    def __init__(self, settings: SwitchSettings, directory: Directory, *, ids: Ids) -> None:
        self._heap = Heap()
        self.timers: Timers = self._heap
        self._ua = UserAgent(None, timers=self.timers, ids=ids, style=STYLE, name="switch", pass_up=PASSED_UP)
        self._exchange = Exchange(settings, directory, ua=self._ua, timers=self.timers, ids=ids)
        self._reception = Reception(self._exchange)
        self._exchange.queues = Queues(self._exchange)
        self._exchange.rooms = Rooms(self._exchange)
        imitated = settings.server == "efcx"
        self._exchange.voice = Messages(self._reception.deliver) if imitated else Words()
        self._codes = StarCodes(self._exchange) if imitated else None
        self._now = Now(0.0, 0.0)
        self._replaced: Channel | None = None
        """Whose place the INVITE that is being received is to take."""

    def channels(self) -> tuple[ChannelView, ...]:
        """The live legs, the oldest first."""
        return tuple(
            ChannelView(
                uuid=each.uuid,
                user=each.user,
                way=each.way,
                state=each.state,
                destination=each.destination,
                held=each.held,
                peer=each.peer.uuid if each.peer is not None and each.peer.alive else None,
                conference=None if (room := room_of(each)) is None else room.name,
                queue=self._exchange.queues.waiting(each),
                listening=each.listening or None,
                variables=tuple(each.variables.items()),
            )
            for each in self._exchange.channels.values()
        )

    def registered(self, user: str) -> bool:
        """Whether that user is registered."""
        return self._exchange.registrar.binding(user) is not None

    def receive(self, given: SwitchInput, now: Now) -> None:
        """Take an input."""
        self._now = now
        exchange = self._exchange
        match given:
            case FlowReceived():
                self._received(given, now)
            case FlowOpened():
                exchange.wording.opened(given)
                exchange.registrar.opened(given)
                self._ua.receive(given, now)
            case FlowClosed(flow):
                exchange.wording.closed(flow)
                exchange.registrar.closed(flow)
                self._ua.receive(given, now)
            case FlowFailed() | FlowAlive():
                self._ua.receive(given, now)
            case HangUp(user) | Hold(user) | Originate(user) | Deflect(user):
                self._control(given, user, now)
            case DigitReceived(media, digit, duration_ms):
                if channel := exchange.channels.get(media):
                    channel.owner.digit(channel, digit, duration_ms, now)
            case MediaLost(media):
                if channel := exchange.channels.get(media):
                    channel.media_lost(now)
            case MediaConnected(media):
                if channel := exchange.channels.get(media):
                    channel.media_connected()
            case _:
                exchange.engine_answered(given, now)
        self._drain(now)

    def outputs(self) -> list[SwitchOutput]:
        """What is to be done since the last call."""
        self._drain(max(self._now, self._heap.fired_at))
        out, self._exchange.out = self._exchange.out, []
        return out

    def _received(self, given: FlowReceived, now: Now) -> None:
        """A message of a client: for the reception, or for the user agent."""
        channel = self._replaced = None
        try:
            message = parse_message(given.data)
            if isinstance(message, Request):
                message.validate()
                self._exchange.wording.hear(message, given.flow)
                if self._reception.receive(message, given.flow, now):
                    return
                if message.method in ("INVITE", "UPDATE") and message.to.tag is not None:
                    channel = self._exchange.channel_with_call_id(message.call_id)
                    self._follow(channel, message, given.flow)
                elif message.method == "INVITE" and "Replaces" in message.headers:
                    # Not the user agent's, which would want its tags to be right, too.
                    self._replaced = self._exchange.channel_with_call_id(replaced_call_id(message))
                    message.headers.remove("Replaces")
                    given = FlowReceived(given.flow, message.serialize())
        except RemoteError:
            message = None  # the user agent answers what cannot be read
        self._ua.receive(given, now)
        self._drain(now)
        if channel is not None and channel.alive and isinstance(message, Request):
            channel.refreshed(message, now)

    def _follow(self, channel: Channel | None, request: Request, flow: str) -> None:
        """Its far end has a new Contact (trace U01); on a WebSocket it is not followed (recovery.md, fact 3)."""
        if channel is None or channel.session not in self._ua.sessions() or not self._exchange.registrar.moves(flow):
            return
        known = self._ua.session(channel.session)
        if (request.to.tag, request.from_.tag) == (known.local_tag, known.remote_tag):
            self._exchange.wording.moved(channel.call_id, flow)
            self._ua.rebind(channel.session, flow)

    def _drain(self, now: Now) -> None:
        """Hand on what the user agent wants sent, and act on what it tells."""
        while items := self._ua.outputs():
            for item in items:
                match item:
                    case Send(flow, data):
                        self._exchange.tell(Send(flow, self._exchange.wording.speak(data, flow)))
                    case OpenFlow() | Probe() | CloseFlow():
                        raise AssertionError("a user agent without an account opens and closes no flows")
                    case InviteReceived():
                        self._invited(item, now)
                    case RequestReceived():
                        self._asked(item, now)
                    case _:
                        self._happened(item, now)

    # Calls

    def _invited(self, event: InviteReceived, now: Now) -> None:
        request = event.request
        user = self._exchange.directory.find(self._reception.user_of(request))
        number = request.target.user
        if number and not number.isprintable():  # what is dialled goes into header fields
            self._ua.reject(event.session, 400, now)
            return
        if user is None or not number:
            self._ua.reject(event.session, 403, now)
            return
        party = Party(user.name, user.number)
        channel = Inbound(self._exchange, event.session, request, event.offer, user=user.number, party=party)
        if event.offer is None and not self._exchange.settings.enable_3pcc:
            channel.refuse(480, Cause.MANDATORY_IE_MISSING, now)
            return
        replaced, self._replaced = self._replaced, None
        if replaced is None:
            Execution(self._exchange, channel).run(number, now)
        else:
            take_over(channel, replaced, now)

    def _happened(self, event: SipEvent, now: Now) -> None:
        """Something happened in a session; of those that are over here nothing is known any more."""
        channel = self._exchange.channel_of(getattr(event, "session", None) or "")
        if channel is None:
            return
        match event:
            case SessionEnded():
                if (
                    isinstance(channel, Outbound)
                    and isinstance(event.message, Response)
                    and event.message.status >= 400
                ):
                    channel.refusal = event.message.status
                channel.end(_cause(event, channel), now, told=True)
            case OfferReceived(offer=offer):
                channel.offer_received(offer, now)
            case AnswerReceived(answer=answer, early=True) if isinstance(channel, Outbound):
                channel.early_answer_received(answer, now)
            case AnswerReceived(answer=answer):
                channel.answer_received(answer, now)
            case RenegotiationFailed(status=status):
                channel.renegotiation_failed(status, now)
            case Progress(status=status, response=response) if isinstance(channel, Outbound):
                channel.progressed(status, response, now)
            case Established(response=response) if isinstance(channel, Outbound) and response is not None:
                channel.established(response, now)
            case DisplayUpdated(name=name, number=number):
                channel.owner.display(channel, Party(name or "", number or ""), now)
            case _:
                pass

    def _asked(self, event: RequestReceived, now: Now) -> None:
        """A request other than INVITE: in a call it may bring a digit or a word."""
        channel = self._exchange.channel_of(event.session or "")
        if channel is not None and event.request.method == "REFER":
            transfer(self._exchange, event, channel, now)
            return
        if not event.answered:
            self._ua.respond(event.key, 405, now)
        if channel is None or event.request.method != "INFO":
            return
        if event.request.is_of(CONTENT_TYPE):
            if self._codes is None:
                said(self._exchange, channel, event.request, now)
            return
        digit = digit_of(event.request)
        if digit is not None and (self._codes is None or not self._codes.digit(channel, *digit, now)):
            channel.owner.digit(channel, *digit, now)

    # Control

    def _control(self, given: Control, user: str, now: Now) -> None:
        legs = [each for each in self._exchange.channels.values() if each.user == user]
        match given:
            case HangUp():
                for leg in legs:
                    leg.fail(Cause.NORMAL_CLEARING, now)
            case Hold(on=on):
                for leg in legs:
                    if leg.state is State.ANSWERED and leg.server_held != on:
                        leg.hold(on, now)
            case Originate():
                self._originate(given, now)
            case Deflect(number=number):
                for leg in legs:
                    if leg.state is State.ANSWERED:
                        leg.deflect(number, now)

    def _originate(self, given: Originate, now: Now) -> None:
        binding = self._exchange.registrar.binding(given.user)
        if binding is None:
            return
        shown = Party(given.name, given.caller)
        origin = _Origin(self._exchange, given.number)
        leg = Outbound(self._exchange, user=given.user, shown=shown, destination=given.user, caller=origin)
        origin.leg = leg
        leg.place(binding, now, x_headers=given.headers)


class _Origin(Caller):
    """Who has originated a call: when it is answered, the dialplan takes over."""

    leg: Outbound

    def __init__(self, exchange: Exchange, number: str) -> None:
        self._exchange = exchange
        self._number = number

    def answered(self, now: Now) -> None:
        Execution(self._exchange, self.leg).run(self._number, now)


_DIGITS = "0123456789ABCD*#"


def digit_of(request: Request) -> tuple[str, int] | None:
    """The digit and milliseconds of an INFO application/dtmf-relay or application/dtmf; None where there is none."""
    text = request.text.strip()
    milliseconds = 250
    if request.is_of("application/dtmf-relay"):
        pairs = dict(_pair(line) for line in text.splitlines())
        text = pairs.get("signal", "")
        duration = pairs.get("duration", "")
        if duration.isascii() and duration.isdigit() and len(duration) < 6:
            milliseconds = int(duration)
    elif not request.is_of("application/dtmf"):
        return None
    text = {"10": "*", "11": "#"}.get(text, text).upper()
    return (text, milliseconds) if len(text) == 1 and text in _DIGITS else None


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip().lower(), value.strip()


def _cause(event: SessionEnded, channel: Channel) -> Cause:
    """Why a session ended, in FreeSWITCH's terms."""
    for reason in event.reasons:
        if reason.protocol.upper() == "Q.850" and event.end is End.BYE:
            return next((cause for cause in Cause if cause.value == reason.cause), Cause.NORMAL_CLEARING)
    match event.end:
        case End.BYE:
            return Cause.NORMAL_CLEARING
        case End.CANCEL:
            return Cause.ORIGINATOR_CANCEL
        case End.REFUSED:
            return cause_of(event.status or 0)
        case End.TIMEOUT:
            return Cause.RECOVERY_ON_TIMER_EXPIRE
        case _:  # lost
            return Cause.NORMAL_TEMPORARY_FAILURE
