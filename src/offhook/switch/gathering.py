"""Conferences that grow out of calls: an agent joins those it talks with, a supervisor joins the call it listens to.

Who is in one is told to all members at each change (`Voice`). It ends with the customer; where two are left they go on
as an ordinary call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from offhook.clock import Now
from offhook.switch.causes import Cause
from offhook.switch.channel import Call, Channel, State
from offhook.switch.conference import Room
from offhook.switch.eavesdrop import Listening
from offhook.switch.exchange import Exchange
from offhook.switch.joint import Joint

MOST_MEMBERS = 4

LIMIT_REACHED = "LIMIT_REACHED"
ON_HOLD = "ON_HOLD"
CUSTOMER_LEFT = "CUSTOMER_LEFT"
CONSULT_LEFT = "CONSULT_LEFT"
NOT_ALLOWED = "NOT_ALLOWED"
NO_SUCH_MEMBER = "NO_SUCH_MEMBER"


@dataclass(frozen=True, slots=True)
class Origin:
    """The customer's call that a conference came from, as an agent of it knows it."""

    dialog: str | None
    number: str = field(repr=False)
    destination: str = field(repr=False)
    call: str = field(repr=False)
    """How the agent's client calls that call, as `dialog_of` has it."""


class Voice(Protocol):
    """What the switch tells agents, whichever way it is put: `words` or `efcx`.

    `id` repeats what the asker has called its request; empty where there is no such.
    """

    def members(self, channel: Channel, conference: Conference, reason: str, id: str, now: Now) -> None:
        """Tell a member who is in the conference now, and why it is told."""
        ...

    def failed(self, channel: Channel, what: str, reason: str, id: str, now: Now) -> None:
        """Nothing has changed; `what` is CONSULT_CONFERENCE_FAILED, BARGE_FAILED ..."""
        ...

    def done(self, channel: Channel, id: str, now: Now) -> None:
        """What was asked for is done."""
        ...

    def unmonitored(self, channel: Channel, reason: str, now: Now) -> None:
        """A call cannot be listened to; the final answer follows."""
        ...


class Conference(Room):
    """A call with three or four members."""

    def __init__(self, exchange: Exchange, origin: Origin) -> None:
        super().__init__(exchange, exchange.uuid())
        self.origin = origin

    def tell(self, reason: str, now: Now, asker: Channel | None = None, id: str = "") -> None:
        """Mix anew, and tell all members who they are."""
        self.mix(now)
        for each in list(self.members):
            self._exchange.voice.members(each.channel, self, reason, id if each.channel is asker else "", now)

    def welcome(self, reason: str, known: Sequence[Channel], asker: Channel, id: str, now: Now) -> None:
        """Somebody came in: those that were there before learn just that."""
        self.mix(now)
        for each in list(self.members):
            told = "MEMBER_ADDED" if each.channel in known else reason
            self._exchange.voice.members(each.channel, self, told, id if each.channel is asker else "", now)

    def change(self, channel: Channel, held: bool, muted: bool, now: Now, *, id: str = "") -> None:
        """A member says how it is: all are told, even where it was so already (as conf/freeswitch has it)."""
        member = self.member(channel)
        if member is not None:
            member.held, member.muted = held, muted
            self.tell("MEMBER_STATE", now, channel, id)

    def drop(self, extension: str, now: Now) -> str | None:
        """Send a member away; what is wrong where there is none."""
        for member in self.members:
            if member.channel.extension == extension:
                member.channel.dismiss("DROPPED_BY_MEMBER", now)
                self._left(member.channel, now)
                return None
        return NO_SUCH_MEMBER

    def holding(self, channel: Channel, now: Now) -> None:
        member = self.member(channel)
        if member is not None and member.held != channel.remote_held:
            self.change(channel, channel.remote_held, member.muted, now)

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        self._left(channel, now)

    def let_go(self, channel: Channel, now: Now) -> None:
        self._left(channel, now)

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        """The new leg is a member as the old one was."""
        member = self.member(old)
        if member is not None:
            member.channel, member.held = new, False
            new.owner = self
        super().taken_over(old, new, now)
        self.tell("MEMBER_ADDED", now)

    def _left(self, channel: Channel, now: Now) -> None:
        member = self.member(channel)
        if member is None:
            return
        self.members.remove(member)
        if member.customer:
            members, self.members = self.members, []
            for each in members:
                each.channel.dismiss("CUSTOMER_LEFT", now)
            return
        self.tell("MEMBER_LEFT", now)
        if len(self.members) == 2:
            (a, b), self.members = self.members, []
            Joint(self._exchange, a.channel, b.channel).start(now)


def join_consulted(exchange: Exchange, leg: Channel, consult: Channel | None, now: Now, *, id: str = "") -> str | None:
    """Join those on the agent's call `leg` and the one that it consults on `consult`, which then ends.

    Gives the reason where that cannot be, and nothing has changed.
    """
    consulted = None
    if consult is not None and consult is not leg and consult.user is not None and consult.user == leg.user:
        consulted = consult.partner
    room = leg.owner if isinstance(leg.owner, Conference) else None
    customer = leg.partner
    if room is None and customer is None:
        return CUSTOMER_LEFT
    if consult is None or consulted is None or consulted is leg:
        return CONSULT_LEFT
    if room is not None and len(room.members) >= MOST_MEMBERS:
        return LIMIT_REACHED
    known = [] if room is None else [each.channel for each in room.members]
    if room is None:
        assert customer is not None
        room = Conference(exchange, _origin(leg, consult, customer))
        room.take(customer, now, customer=True)
        room.take(leg, now)
    room.take(consulted, now)
    consult.dismiss("CONFERENCE", now)
    room.welcome("CONSULT_CONFERENCE", known, leg, id, now)
    return None


def barge(exchange: Exchange, listener: Channel, now: Now, *, id: str = "") -> str | None:
    """The supervisor on `listener` joins the call that it listens to; gives the reason where that cannot be."""
    listening = listener.owner
    if not isinstance(listening, Listening) or not listening.privileged or listener.state is not State.ANSWERED:
        return NOT_ALLOWED
    target = listening.target
    room = target.owner if isinstance(target.owner, Conference) else None
    customer = target.partner
    if room is None and customer is None:
        return CUSTOMER_LEFT
    if target.held or (customer is not None and customer.held):
        return ON_HOLD
    if room is not None and len(room.members) >= MOST_MEMBERS:
        return LIMIT_REACHED
    known = [] if room is None else [each.channel for each in room.members]
    if room is None:
        assert customer is not None
        room = Conference(exchange, _origin(target, target, customer))
        room.take(customer, now, customer=True)
        room.take(target, now)
    room.take(listener, now)
    room.welcome("BARGE_CONFERENCE", known, listener, id, now)
    return None


def _origin(leg: Channel, consult: Channel, customer: Channel) -> Origin:
    """What the agent on `leg` and `consult` has been told, or has said, of the customer's call."""
    dialled = consult.x_header("X-Destination-Number") or leg.x_header("X-Destination-Number") or leg.destination
    dialog = consult.x_header("X-Customer-Dialog-Id") or leg.x_header("X-Call-Id")
    return Origin(dialog, customer.extension, dialled, dialog_of(leg))


def dialog_of(leg: Channel) -> str:
    """How the client at its far end calls that call: as it was told, or by the SIP Call-ID."""
    return (leg.x_header("X-Call-Id") if leg.way is Call.OUTBOUND else None) or leg.call_id
