"""Two answered legs as one call."""

from __future__ import annotations

from offhook.clock import Now
from offhook.switch.causes import Cause
from offhook.switch.channel import Call, Channel, Owner
from offhook.switch.exchange import Exchange, Party
from offhook.switch.takeover import Departure

DISPLAY_SECONDS = 0.05
"""So long after they were connected both parties are told with whom."""

ATTENDED, LAZY = "X-FS-Attended-Transfer", "X-FS-Lazy-Attended-Transfer"
"""What tells a consulted party that it has the other one now: it had answered before the transfer, or it rang."""


class Joint(Owner):
    """Audio both ways between `a` and `b`; when one leg ends, so does the other."""

    def __init__(self, exchange: Exchange, a: Channel, b: Channel) -> None:
        self._exchange = exchange
        self._legs = (a, b)
        self._displays: tuple[tuple[Channel, Party], ...] = ()
        self._transferred: tuple[Channel, str] | None = None

    @property
    def settling(self) -> bool:
        """They have not been told yet with whom they are connected."""
        return self._exchange.timers.is_set(self, "display")

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

    def introduce(
        self, now: Now, *displays: tuple[Channel, Party], transferred: tuple[Channel, str] | None = None
    ) -> None:
        """Tell each leg in a moment whom it is connected to. `transferred`: the leg that was consulted, and ATTENDED
        or LAZY."""
        self._displays, self._transferred = displays, transferred
        self._exchange.timers.set(self, "display", now.monotonic + DISPLAY_SECONDS)

    def handle_timer(self, timer: str, now: Now) -> None:
        for leg, shown in self._displays:
            transferred = self._transferred
            header = transferred[1] if transferred is not None and transferred[0] is leg else None
            leg.update_display(shown, now, transferred=header)

    def let_go(self, channel: Channel, now: Now) -> None:
        self._exchange.timers.cancel(self, "display")

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        self._exchange.timers.cancel(self, "display")
        for leg in self._legs:
            if leg is not channel and leg.owner is self:
                leg.hang_up(Cause.NORMAL_CLEARING if cause is Cause.ORIGINATOR_CANCEL else cause, now)

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        """Whoever holds the call, it is held no more; the caller, if the called leg is taken over, is told of itself
        (measured)."""
        peer = next(leg for leg in self._legs if leg is not old)
        held, peer.remote_held = peer.remote_held, False
        Departure(self._exchange, old).start(now)
        joint = Joint(self._exchange, new, peer)
        joint.start(now)
        shown = introduction(new) if old.way is Call.INBOUND else peer.party
        joint.introduce(now, (new, introduction(peer)), (peer, shown))
        if held:
            peer.reoffer(now)

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
