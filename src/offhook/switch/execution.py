"""A channel goes through the dialplan's steps."""

from __future__ import annotations

from collections import deque

from offhook.clock import Now
from offhook.media.engine import Echo
from offhook.switch.b2bua import Bridge
from offhook.switch.causes import Cause, cause_of
from offhook.switch.channel import Channel, Owner, State
from offhook.switch.dialplan import (
    Answer,
    AskDigits,
    CallUser,
    Eavesdrop,
    EnterQueue,
    Hangup,
    JoinConference,
    Monitor,
    Play,
    PreAnswer,
    Redirect,
    Respond,
    RingReady,
    SendBack,
    Sleep,
    Step,
    Transfer,
    steps_for,
)
from offhook.switch.eavesdrop import eavesdrop, monitor
from offhook.switch.exchange import Exchange, IvrDigits
from offhook.switch.inbound import Inbound
from offhook.switch.ivr import Menu
from offhook.switch.tones import SILENCE

MOST_WAITING = 100

RECOVERY = "offhook-recover"
"""Who calls it wants to take a call over (INVITE with Replaces), and there was none to be taken."""

MENU_PAUSE = 0.6
"""Between the digits that the menu sends back and what they lead to."""


class Execution(Owner):
    """Does one step after the other until the channel ends, somebody else owns it, or a step has no end."""

    def __init__(self, exchange: Exchange, channel: Channel) -> None:
        self._exchange = exchange
        self._channel = channel
        self._steps: list[Step] = []
        self._step: Step | None = None
        """The one that is being done."""
        self._number = ""
        self._menu: Menu | None = None
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        """Digits that came while nobody asked for any: the next menu takes them, as FreeSWITCH has it."""
        self.player = channel.player

    def run(self, number: str, now: Now) -> None:
        """Begin with what the dialplan says of `number`."""
        self._channel.owner = self
        self._number = number
        queue = self._exchange.queues.at(number)
        self._steps = list(steps_for(number)) if queue is None else [EnterQueue(queue.name, number)]
        if self._exchange.settings.server_half:
            self._go_by_conf(number, now)
        self._next(now)

    def _go_by_conf(self, number: str, now: Now) -> None:
        """What the dialplan of conf/freeswitch has that the recorded one has not."""
        channel = self._channel
        confirmation = channel.journey.confirmation
        if number == RECOVERY:
            self._steps = [Respond(481)] if confirmation is None else []
            channel.journey.refusal = 481
        if confirmation is not None and self._steps and isinstance(self._steps[0], Answer):
            confirmation.confirm(now)  # an application would never do it

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        """What the old leg was in begins anew (recovery.md D07)."""
        after = Execution(self._exchange, new)
        after._number, after._steps = self._number, [] if self._step is None else [self._step]
        new.owner = after
        super().taken_over(old, new, now)
        after._next(now)

    def handle_timer(self, timer: str, now: Now) -> None:
        """A pause is over."""
        self._next(now)

    def digit(self, channel: Channel, digit: str, duration_ms: int, now: Now) -> None:
        if self._menu is not None:
            self._menu.digit(digit, now)
        else:
            self._waiting.append(digit)

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        self.let_go(channel, now)

    def let_go(self, channel: Channel, now: Now) -> None:
        self._exchange.timers.cancel(self, "step")
        if self._menu is not None:
            self._menu.stop()

    def digits_collected(self, digits: str, now: Now) -> None:
        """The menu is over: tell the digits, send them back, and go where they lead."""
        self._menu = None
        channel = self._channel
        self._exchange.tell(IvrDigits(channel.uuid, channel.party.number, digits))
        channel.send_digits(digits)
        self._steps = [Sleep(MENU_PAUSE), Transfer(f"menu_{digits}")]
        self._next(now)

    def _next(self, now: Now) -> None:
        if not self._channel.alive or self._channel.owner is not self:
            return
        if self._steps:
            self._step = self._steps.pop(0)
            self._do(self._step, now)
        else:
            self._finish(Cause.NORMAL_CLEARING, now)

    def _finish(self, cause: Cause, now: Now) -> None:
        """The dialplan has come to its end: hang up, unless who has transferred the channel here takes it back."""
        confirmation = self._channel.journey.confirmation
        if confirmation is None:
            self._channel.hang_up(cause, now, told=True)
        elif not confirmation.give_back(now):
            self._channel.hang_up(Cause.NORMAL_CLEARING, now, told=True)

    def _do(self, step: Step, now: Now) -> None:
        channel = self._channel
        match step:
            case Sleep(seconds):
                self._exchange.timers.set(self, "step", now.monotonic + seconds)
            case Play(sound):
                channel.player.play(sound, now, self._next)
            case SendBack():
                channel.player.stop()
                channel.hear(Echo())
            case AskDigits():
                self._menu = Menu(self, self._exchange.timers)
                self._menu.start(now)
                while self._menu is not None and self._waiting:
                    self._menu.digit(self._waiting.popleft(), now)
            case Hangup(cause):
                channel.hang_up(cause, now, told=True)
            case Transfer(number):
                channel.player.play(SILENCE, now)
                self.run(number, now)
            case CallUser():
                Bridge(self._exchange, channel, step, self._not_connected).start(now)
            case EnterQueue(name, number):
                self._exchange.queues.enter(name, channel, number, self._not_queued, now)
            case JoinConference(room):
                self._exchange.rooms.enter(room, channel, now)
            case Monitor(user):
                monitor(self._exchange, channel, user, self._number, now)
            case Eavesdrop(user):
                eavesdrop(self._exchange, channel, user, now)
            case _ if isinstance(channel, Inbound) and channel.state is not State.ANSWERED:
                self._do_unanswered(step, channel, now)
            case Respond(status):
                channel.hang_up(cause_of(status), now, told=True)
            case _:
                self._next(now)

    def _do_unanswered(self, step: Step, channel: Inbound, now: Now) -> None:
        """Steps that are answers to the caller's INVITE."""
        match step:
            case RingReady():
                channel.ring(now)
                self._next(now)
            case PreAnswer():
                channel.pre_answer(now, self._next)
            case Answer():
                channel.answer(now, self._next)
            case Respond(status):
                channel.respond(status, now)
            case Redirect(number):
                contact = f'"unknown" <sip:{number}@{self._exchange.settings.domain}>'
                channel.refuse(302, Cause.NORMAL_UNSPECIFIED, now, contact=contact)
            case _:
                raise AssertionError(f"no such step: {type(step).__name__}")

    def _not_queued(self, cause: Cause, now: Now) -> None:
        """There is no such queue, or no room in it: who transferred the channel here is told that very status."""
        self._channel.journey.refusal = cause.status
        self._finish(cause, now)

    def _not_connected(self, cause: Cause, status: int | None, now: Now) -> None:
        """The user could not be reached: the caller gets the very status, whatever it is."""
        channel = self._channel
        if status is not None and isinstance(channel, Inbound) and channel.state is not State.ANSWERED:
            channel.refuse(status, cause, now)
        else:
            self._finish(cause, now)
