"""Listening to the calls of others (FreeSWITCH's eavesdrop; traces 18, 18b).

`*44<user>` is for supervisors: they hear both sides and are heard by nobody, until they whisper to the agent or join
the call (`gathering.barge`). The numbers 779 and 88xxxx of the recorded FreeSWITCH are for everybody, with keys to talk
into the call, and only there where `SwitchSettings.open_eavesdrop` says so.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.media.engine import Mix, Source
from offhook.switch.causes import Cause
from offhook.switch.channel import Channel, Owner, State
from offhook.switch.conference import room_of
from offhook.switch.exchange import Exchange
from offhook.switch.inbound import Inbound


class Listening(Owner):
    """The leg `listener` hears the call of `target`.

    `privileged`: it came by way of `*44`, from a supervisor, and may whisper and barge in. `keys`: keys of the phone
    let it talk into the call.
    """

    def __init__(
        self, exchange: Exchange, listener: Channel, target: Channel, *, privileged: bool = False, keys: bool = False
    ) -> None:
        self.target = target
        self.privileged = privileged
        self._exchange = exchange
        self._listener = listener
        self._keys = keys
        self._heard: Source | None = None
        self._spoken_to: tuple[Channel, ...] = ()

    def start(self, now: Now) -> None:
        """Listen, until one of the two legs is over."""
        self._listener.owner = self
        self._listener.listening = self.target.uuid
        self.target.at_end.append(self._over)
        self._exchange.listeners.append(self.listen)
        self._listener.player.stop()
        self.listen(now)

    def listen(self, now: Now) -> None:
        """Hear whoever is in the call now."""
        target = self.target
        room = room_of(target)
        if room is not None:
            media = [each.channel.media for each in room.members]
        else:
            media = [each.media for each in (target, target.partner) if each is not None]
        source = Mix(tuple(media))
        if source != self._heard:
            self._heard = source
            self._listener.hear(source)

    def whisper(self, on: bool, now: Now) -> None:
        """Let the agent alone hear the listener, or nobody."""
        self._speak_to((self.target,) if on else (), now)

    def digit(self, channel: Channel, digit: str, duration_ms: int, now: Now) -> None:
        if not self._keys:
            return
        far = self.target.partner
        others = () if far is None else (far,)
        spoken_to = {"0": (), "1": others, "2": (self.target,), "3": (self.target, *others)}.get(digit)
        if spoken_to is not None:
            self._speak_to(spoken_to, now)

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        self.let_go(channel, now)

    def let_go(self, channel: Channel, now: Now) -> None:
        self._speak_to((), now)
        self._listener.listening = ""
        if self.listen in self._exchange.listeners:
            self._exchange.listeners.remove(self.listen)
        if self._over in self.target.at_end:
            self.target.at_end.remove(self._over)

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        """Who may not listen has ended the listening, and hears nothing."""
        super().taken_over(old, new, now)
        if self.privileged and not self._exchange.directory.supervises(new.user):
            new.hang_up(Cause.CALL_REJECTED, now)
        else:
            Listening(self._exchange, new, self.target, privileged=self.privileged, keys=self._keys).start(now)

    def _speak_to(self, channels: tuple[Channel, ...], now: Now) -> None:
        own = self._listener.media
        before, self._spoken_to = self._spoken_to, channels
        for each in dict.fromkeys((*before, *channels)):
            others = tuple(media for media in each.whispering if media != own)
            each.whispering = (*others, own) if each in channels else others
            each.owner.rewire(each, now)

    def _over(self, channel: Channel, now: Now) -> None:
        """The call that is listened to has ended."""
        if self._listener.owner is self:
            self.let_go(self._listener, now)
            self._listener.hang_up(Cause.NORMAL_CLEARING, now)


def monitor(exchange: Exchange, channel: Channel, user: str, number: str, now: Now) -> None:
    """Let a supervisor who has dialled `number` listen to the call of `user`.

    Refused: 403 for everybody else, and for legs that came here by a transfer, whoever is at their end; 404 and 480
    NO_CALL where the user is not there or not in a call; 480 ON_HOLD where the call is on hold.
    """
    dialled = isinstance(channel, Inbound) and channel.state is State.NEW and channel.destination == number
    if not dialled or not exchange.directory.supervises(channel.user):
        _refuse(exchange, channel, 403, Cause.CALL_REJECTED, "NOT_ALLOWED", now)
    elif exchange.directory.find(user) is None or user == channel.user:
        _refuse(exchange, channel, 404, Cause.UNALLOCATED_NUMBER, "NO_CALL", now)
    else:
        calls = _calls(exchange, user)
        if not calls:
            _refuse(exchange, channel, 480, Cause.NORMAL_CLEARING, "NO_CALL", now)
            return
        free = [each for each in calls if not _on_hold(each)]
        if not free:
            _refuse(exchange, channel, 480, Cause.NORMAL_CLEARING, "ON_HOLD", now)
            return
        _answer(exchange, channel, Listening(exchange, channel, free[-1], privileged=True), now)


def eavesdrop(exchange: Exchange, channel: Channel, user: str | None, now: Now) -> None:
    """Let anybody listen to the newest call of `user`, or of anybody; hung up on where there is none."""
    calls = [
        each
        for number in ([user] if user is not None else [other.number for other in exchange.directory])
        for each in _calls(exchange, number)
        if each is not channel
    ]
    if exchange.settings.open_eavesdrop and calls:
        _answer(exchange, channel, Listening(exchange, channel, calls[-1], keys=True), now)
    else:
        channel.hang_up(Cause.NORMAL_CLEARING, now)


def _answer(exchange: Exchange, channel: Channel, listening: Listening, now: Now) -> None:
    def answered(now: Now) -> None:
        if not channel.alive:
            return
        if listening.target.alive:
            listening.start(now)
        else:
            channel.hang_up(Cause.NORMAL_CLEARING, now)

    if isinstance(channel, Inbound):
        channel.answer(now, answered)
    else:
        answered(now)


def _calls(exchange: Exchange, user: str) -> list[Channel]:
    """The connected legs of a user, the oldest first."""
    legs = [each for each in exchange.channels.values() if each.user == user]
    return [each for each in legs if each.partner is not None or room_of(each) is not None]


def _on_hold(channel: Channel) -> bool:
    return channel.held or (channel.partner is not None and channel.partner.held)


def _refuse(exchange: Exchange, channel: Channel, status: int, cause: Cause, text: str, now: Now) -> None:
    if isinstance(channel, Inbound) and channel.state is not State.ANSWERED:
        exchange.voice.unmonitored(channel, text, now)
        channel.refuse(status, cause, now, reason=text)
        return
    channel.journey.refusal = status
    confirmation = channel.journey.confirmation
    if confirmation is None or not confirmation.give_back(now):
        channel.hang_up(cause, now)
