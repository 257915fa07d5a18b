"""Two answered legs as one call."""

from __future__ import annotations

from offhook.clock import Now
from offhook.switch.causes import Cause
from offhook.switch.channel import Call, Channel, Owner
from offhook.switch.exchange import Exchange, Party

DISPLAY_SECONDS = 0.05
"""So long after they were connected both parties are told with whom."""


class Joint(Owner):
    """Audio both ways between `a` and `b`; when one leg ends, so does the other."""

    def __init__(self, exchange: Exchange, a: Channel, b: Channel) -> None:
        self._exchange = exchange
        self._legs = (a, b)
        self._displays: tuple[tuple[Channel, Party], ...] = ()
        self._attended: Channel | None = None

    def start(self, now: Now) -> None:
        """Connect them: nobody else looks after them any more."""
        a, b = self._legs
        for leg in self._legs:
            leg.give_to(self, now)
            if leg.journey.confirmation is not None:
                leg.journey.confirmation.confirm(now)
        a.peer, b.peer = b, a
        a.hear_peer(now)
        b.hear_peer(now)

    def introduce(self, now: Now, *displays: tuple[Channel, Party], attended: Channel | None = None) -> None:
        """Tell each leg in a moment whom it is connected to. `attended`: the leg that was consulted before."""
        self._displays, self._attended = displays, attended
        self._exchange.timers.set(self, "display", now.monotonic + DISPLAY_SECONDS)

    def handle_timer(self, timer: str, now: Now) -> None:
        for leg, shown in self._displays:
            leg.update_display(shown, now, attended=leg is self._attended)

    def let_go(self, channel: Channel, now: Now) -> None:
        self._exchange.timers.cancel(self, "display")

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        self._exchange.timers.cancel(self, "display")
        for leg in self._legs:
            if leg is not channel and leg.owner is self:
                leg.hang_up(Cause.NORMAL_CLEARING if cause is Cause.ORIGINATOR_CANCEL else cause, now)

    def digit(self, channel: Channel, digit: str, duration_ms: int, now: Now) -> None:
        """Goes to the other leg as telephone-event, never as INFO (trace 07c)."""
        if channel.peer is not None:
            channel.peer.send_digits(digit, duration_ms)

    def display(self, channel: Channel, shown: Party, now: Now) -> None:
        if channel.peer is not None:
            channel.peer.update_display(shown, now)


def introduction(leg: Channel) -> Party:
    """Who a leg is to one it was transferred to: of a caller the number alone is told (trace 31b)."""
    return Party(leg.party.number, leg.party.number) if leg.way is Call.INBOUND else leg.party
