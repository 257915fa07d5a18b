"""Rooms in which everybody hears all others (FreeSWITCH's mod_conference, profile default; trace 17)."""

from __future__ import annotations

from dataclasses import dataclass

from offhook.clock import Now
from offhook.media.engine import MAX_MIXED, Mix
from offhook.switch.causes import Cause
from offhook.switch.channel import Channel, Owner
from offhook.switch.exchange import Exchange
from offhook.switch.tones import HOLD_MUSIC


@dataclass(slots=True)
class Member:
    """One leg in a room. Who is held or muted is heard by nobody."""

    channel: Channel
    customer: bool = False
    """It is no agent of the call."""
    held: bool = False
    muted: bool = False

    @property
    def audible(self) -> bool:
        return not (self.held or self.muted or self.channel.held)


class Room(Owner):
    """N-1 mix: each member hears all others. `ended` and `let_go` are for who knows what a room is for."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self.name = name
        self.members: list[Member] = []
        self._exchange = exchange

    def take(self, channel: Channel, now: Now, *, customer: bool = False) -> None:
        """Take a leg in; `mix` follows when all are there."""
        channel.give_to(self, now)
        self.members.append(Member(channel, customer, held=channel.remote_held))

    def member(self, channel: Channel) -> Member | None:
        return next((each for each in self.members if each.channel is channel), None)

    def mix(self, now: Now) -> None:
        """Let everybody hear all others."""
        audible = [each for each in self.members if each.audible]
        for each in self.members:
            others = [other.channel.media for other in audible if other is not each]
            each.channel.player.stop()
            each.channel.hear(Mix((*others, *each.channel.whispering)))
        self._exchange.connections_changed(now)

    def holding(self, channel: Channel, now: Now) -> None:
        member = self.member(channel)
        if member is not None:
            member.held = channel.remote_held
        self.mix(now)

    def rewire(self, channel: Channel, now: Now) -> None:
        self.mix(now)


class Rooms:
    """The rooms that have a number, while somebody is in them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rooms: dict[str, OpenRoom] = {}

    def enter(self, name: str, channel: Channel, now: Now) -> None:
        """Join the room of that name, which is made if need be; hung up on where it is full."""
        room = self._rooms.setdefault(name, OpenRoom(self._exchange, name, self))
        if len(room.members) > MAX_MIXED:
            channel.hang_up(Cause.SERVICE_UNAVAILABLE, now)
            return
        room.take(channel, now)
        room.mix(now)

    def emptied(self, name: str) -> None:
        self._rooms.pop(name, None)


def room_of(channel: Channel) -> Room | None:
    """The room in which a channel is."""
    return channel.owner if isinstance(channel.owner, Room) else None


class OpenRoom(Room):
    """One that everybody may enter: whoever is alone in it hears music. Key 0 mutes, # hangs up."""

    def __init__(self, exchange: Exchange, name: str, rooms: Rooms) -> None:
        super().__init__(exchange, name)
        self._rooms = rooms

    def mix(self, now: Now) -> None:
        super().mix(now)
        if len(self.members) == 1:
            self.members[0].channel.player.play(HOLD_MUSIC, now)

    def digit(self, channel: Channel, digit: str, duration_ms: int, now: Now) -> None:
        member = self.member(channel)
        if member is not None and digit == "0":
            member.muted = not member.muted
            self.mix(now)
        elif digit == "#":
            channel.hang_up(Cause.NORMAL_CLEARING, now, told=True)

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        self.let_go(channel, now)

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        super().taken_over(old, new, now)
        self._rooms.enter(self.name, new, now)

    def let_go(self, channel: Channel, now: Now) -> None:
        self.members = [each for each in self.members if each.channel is not channel]
        if self.members:
            self.mix(now)
        else:
            self._rooms.emptied(self.name)
