"""Two legs as one call: the switch calls a user for somebody, and connects the two when it answers."""

from __future__ import annotations

from collections.abc import Callable

from offhook.clock import Now
from offhook.switch.causes import Cause
from offhook.switch.channel import Channel, Owner, State
from offhook.switch.dialplan import CallUser, queue_headers
from offhook.switch.exchange import Exchange, Party
from offhook.switch.inbound import Inbound
from offhook.switch.outbound import Caller, Outbound
from offhook.switch.tones import HOLD_MUSIC, RINGBACK

DISPLAY_SECONDS = 0.05
"""So long after the answer both parties are told whom they are connected to."""


class Bridge(Caller):
    """Connects the leg `a` with the user that `plan` names.

    `refused` is called when that fails, with the called party's status if it gave one, and `a` untouched. When one leg
    of a connected call ends, so does the other.
    """

    def __init__(
        self,
        exchange: Exchange,
        a: Channel,
        plan: CallUser,
        refused: Callable[[Cause, int | None, Now], None],
    ) -> None:
        self._exchange = exchange
        self._a = a
        self._b: Outbound | None = None
        self._plan = plan
        self._refused = refused
        self._connected = False

    def start(self, now: Now) -> None:
        """Call the user."""
        binding = self._exchange.registrar.binding(self._plan.user)
        if binding is None:
            self._refused(Cause.USER_NOT_REGISTERED, None, now)
            return
        a = self._a
        a.owner = self
        self._b = Outbound(self._exchange, user=self._plan.user, shown=a.party, destination=a.destination, caller=self)
        given = a.x_headers if isinstance(a, Inbound) else {}
        if self._plan.queue_headers:
            headers = queue_headers(a.uuid, a.destination, a.party.number, given)
        else:
            headers = list(given.items())
        self._b.place(binding, now, x_headers=headers, auto_answer=self._plan.auto_answer, hops=69)
        self._exchange.timers.set(self, "ring", now.monotonic + self._plan.seconds)

    # The called party

    def progressed(self, status: int, now: Now) -> None:
        b = self._b
        assert b is not None
        if self._plan.auto_answer and self._a.state is State.NEW:
            b.notify_talk(now)
        if isinstance(self._a, Inbound):
            self._a.passed_on = b.x_headers
            if not self._plan.early_media:
                # A 180 says already whom it reached, a 183 still what was dialled (traces 13 and 03).
                self._a.shown = b.party
        if not isinstance(self._a, Inbound) or self._a.state is State.ANSWERED:
            self._a.player.play(HOLD_MUSIC, now)
        elif self._plan.early_media:
            self._a.pre_answer(now, self._ringing)
        else:
            self._a.ring(now)

    def _ringing(self, now: Now) -> None:
        if not self._connected and self._b is not None and self._b.state is not State.EARLY:
            self._a.player.play(RINGBACK, now)

    def early_media(self, now: Now) -> None:
        if isinstance(self._a, Inbound):
            self._a.pre_answer(now, self._join)
        else:
            self._join(now)

    def answered(self, now: Now) -> None:
        b = self._b
        assert b is not None
        self._connected = True
        self._exchange.timers.cancel(self, "ring")
        if isinstance(self._a, Inbound):
            self._a.shown, self._a.passed_on = b.party, b.x_headers
            self._a.answer(now, self._join)
        else:
            self._join(now)
        self._exchange.timers.set(self, "display", now.monotonic + DISPLAY_SECONDS)

    def _join(self, now: Now) -> None:
        """Audio both ways."""
        a, b = self._a, self._b
        if b is None or not (a.alive and b.alive):
            return
        a.peer, b.peer = b, a
        a.hear_peer(now)
        b.hear_peer(now)

    # Both

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        b = self._b
        assert b is not None
        self._exchange.timers.cancel(self, "ring", "display")
        if channel is self._a:
            b.hang_up(_passed_on(cause) if self._connected else cause, now)
        elif self._connected:
            self._a.hang_up(_passed_on(cause), now)
        else:
            self._fail(cause, now)

    def digit(self, channel: Channel, digit: str, duration_ms: int, now: Now) -> None:
        """Goes to the other leg as telephone-event, never as INFO (trace 07c)."""
        if self._connected and channel.peer is not None:
            channel.peer.send_digits(digit, duration_ms)

    def display(self, channel: Channel, shown: Party, now: Now) -> None:
        if channel.peer is not None:
            channel.peer.update_display(shown, now)

    def handle_timer(self, timer: str, now: Now) -> None:
        b = self._b
        assert b is not None
        if timer == "ring":
            b.hang_up(Cause.NO_ANSWER, now)
            self._fail(Cause.NO_ANSWER, now)
        else:
            self._a.update_display(b.party, now)
            b.update_display(self._a.party, now)

    def _fail(self, cause: Cause, now: Now) -> None:
        b = self._b
        if isinstance(self._a, Inbound) and b is not None and self._a.state is not State.NEW:
            self._a.shown = b.party
        self._a.owner = Owner()
        self._refused(cause, None if b is None else b.refusal, now)


def _passed_on(cause: Cause) -> Cause:
    """What the other leg of a connected call is told."""
    return Cause.NORMAL_CLEARING if cause is Cause.ORIGINATOR_CANCEL else cause
