"""A call is taken over: INVITE with Replaces (RFC 3891), as FreeSWITCH does it (freeswitch/recovery.md, D01 to D13).

The new leg is answered at once, whatever its Request-URI is, and gets the place of the old one: `Owner.taken_over` says
how. Of the Replaces the Call-ID alone counts: wrong tags are overlooked, and whose account it is. The old leg ends:
"Call completed elsewhere" where it was connected with another, ATTENDED_TRANSFER where it was not.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.sip.message import Request
from offhook.switch.causes import Cause
from offhook.switch.channel import Call, Channel, Owner
from offhook.switch.exchange import Exchange
from offhook.switch.inbound import Inbound

DEPARTURE_SECONDS = 0.04
"""So long after its successor was answered the old leg is hung up on (traces D08 and R05)."""


def replaced_call_id(request: Request) -> str:
    """The Call-ID of the dialog whose place an INVITE is to take; empty where there is none."""
    return (request.headers.get("Replaces") or "").partition(";")[0].strip()


def take_over(new: Inbound, old: Channel, now: Now) -> None:
    """Answer `new`, and give it the place of `old`."""
    known = old.peer if old.way is Call.INBOUND else old
    if known is not None:
        new.shown = known.party  # the called party of the old call, even to that party itself (trace D06)

    def answered(now: Now) -> None:
        if old.alive:
            old.owner.taken_over(old, new, now)
        else:
            new.hang_up(Cause.NORMAL_CLEARING, now)

    new.answer(now, answered)


class Departure(Owner):
    """Hangs up in a moment on a leg that has lost its place."""

    def __init__(self, exchange: Exchange, channel: Channel, cause: Cause = Cause.PICKED_OFF) -> None:
        self._exchange = exchange
        self._channel = channel
        self._cause = cause

    def start(self, now: Now) -> None:
        self._channel.give_to(self, now)
        self._exchange.timers.set(self, "leave", now.monotonic + DEPARTURE_SECONDS)

    def handle_timer(self, timer: str, now: Now) -> None:
        self._channel.hang_up(self._cause, now)

    def let_go(self, channel: Channel, now: Now) -> None:
        self._exchange.timers.cancel(self, "leave")

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        self._exchange.timers.cancel(self, "leave")
