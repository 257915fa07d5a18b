"""Our own imitation of the vendor's media server (dialect `efcx`), after reference-behaviour.md §3.11-3.13 and §7.3.

An agent presses `*` and a letter, by INFO: A on the consult call transfers, C on either call makes a conference, B on
a monitoring call barges in. What comes of it is told by MESSAGE outside of calls, a JSON object as text/plain, and by
the Reason text of BYEs. Each message names the addressee's call in `dialog.id`: the X-Call-Id that it was called with,
else the SIP Call-ID. None of this was recorded from a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from offhook.clock import Now
from offhook.switch.channel import Call, Channel, State
from offhook.switch.eavesdrop import Listening
from offhook.switch.exchange import Exchange
from offhook.switch.gathering import (
    CONSULT_LEFT,
    CUSTOMER_LEFT,
    LIMIT_REACHED,
    ON_HOLD,
    Conference,
    barge,
    dialog_of,
    join_consulted,
)
from offhook.switch.joint import Joint
from offhook.switch.words import written

STAR_SECONDS = 2.0
"""So long a star may wait for its letter; then it is a key like others."""

Deliver = Callable[[str, str, Now], None]
"""Sends a user a text, outside of calls."""


class StarCodes:
    """The keys that agents press by INFO, and what they do."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._stars: dict[str, tuple[Channel, int]] = {}

    def digit(self, channel: Channel, digit: str, duration_ms: int, now: Now) -> bool:
        """A key of the far end; True where it is (perhaps) part of a code. Others are for the channel's owner."""
        self._exchange.timers.cancel(self, channel.uuid)
        star = self._stars.pop(channel.uuid, None)
        if star is not None and digit in ("A", "B", "C"):
            {"A": self._transfer, "B": self._barge, "C": self._conference}[digit](channel, now)
            return True
        if star is not None:
            channel.owner.digit(channel, "*", star[1], now)
        if digit != "*":
            return False
        self._stars[channel.uuid] = channel, duration_ms
        self._exchange.timers.set(self, channel.uuid, now.monotonic + STAR_SECONDS)
        return True

    def handle_timer(self, timer: str, now: Now) -> None:
        """No letter has come."""
        channel, duration_ms = self._stars.pop(timer)
        channel.owner.digit(channel, "*", duration_ms, now)

    def _transfer(self, channel: Channel, now: Now) -> None:
        customer_leg, consult = self._calls(channel)
        reason = None
        if customer_leg is None or (customer_leg.partner is None and not isinstance(customer_leg.owner, Conference)):
            reason = CUSTOMER_LEFT
        elif customer_leg.partner is None:
            reason = LIMIT_REACHED
        elif consult is None or consult.partner is None:
            reason = CONSULT_LEFT
        if reason is not None or customer_leg is None or consult is None:
            self._exchange.voice.failed(channel, "CONSULT_TRANSFER_FAILED", reason or CONSULT_LEFT, "", now)
            return
        customer, consulted = customer_leg.partner, consult.partner
        assert customer is not None and consulted is not None
        Joint(self._exchange, customer, consulted).start(now)
        for leg in (consult, customer_leg):
            leg.dismiss("ATTENDED_TRANSFER", now)
        if isinstance(self._exchange.voice, Messages):
            self._exchange.voice.transferred(consulted, customer_leg, consult, now)

    def _conference(self, channel: Channel, now: Now) -> None:
        customer_leg, consult = self._calls(channel)
        reason: str | None = CUSTOMER_LEFT
        if customer_leg is not None:
            reason = join_consulted(self._exchange, customer_leg, consult, now)
        if reason is not None:
            self._exchange.voice.failed(channel, "CONSULT_CONFERENCE_FAILED", reason, "", now)

    def _barge(self, channel: Channel, now: Now) -> None:
        reason = barge(self._exchange, channel, now)
        if reason is not None:
            self._exchange.voice.failed(channel, "BARGE_FAILED", reason, "", now)

    def _calls(self, channel: Channel) -> tuple[Channel | None, Channel | None]:
        """The agent's leg to the customer, and that on which it consults somebody, where it has them."""
        legs = [
            each
            for each in self._exchange.channels.values()
            if each.user == channel.user and each.state is State.ANSWERED and not isinstance(each.owner, Listening)
        ]
        consults = [each for each in legs if consults_somebody(each)]
        others = [each for each in legs if each not in consults]
        consult = channel if channel in consults else next(reversed(consults), None)
        customer = channel if channel in others else next(reversed(others), None)
        return customer, consult


def consults_somebody(leg: Channel) -> bool:
    """Whether an agent has called on that leg to consult somebody."""
    return leg.way is Call.INBOUND and (leg.x_header("X-Calltype") or "").upper() == "CONSULT"


class Messages:
    """What the media server tells by MESSAGE: a `gathering.Voice`."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def members(self, channel: Channel, conference: Conference, reason: str, id: str, now: Now) -> None:
        origin = conference.origin
        dialog = {"customerDialogId": origin.dialog or origin.call, "customerDestinationNumber": origin.destination}
        extensions: Sequence[dict[str, str]] = [{"ext": each.channel.extension} for each in conference.members]
        more = {"conference": {"name": conference.name}, "members": extensions}
        self._tell(channel, "CONFERENCE", {"reasonCode": reason, "additionalAttributes": more}, dialog, now)

    def transferred(self, consulted: Channel, customer_leg: Channel, consult: Channel, now: Now) -> None:
        """The consulted agent has the customer now."""
        dialled = consult.x_header("X-Destination-Number") or customer_leg.x_header("X-Destination-Number")
        dialog = {
            "customerDialogId": dialog_of(customer_leg),
            "customerDestinationNumber": dialled or customer_leg.destination,
        }
        self._tell(consulted, "CONSULT_TRANSFER", {}, dialog, now)

    def failed(self, channel: Channel, what: str, reason: str, id: str, now: Now) -> None:
        self._tell(channel, what, {"reasonCode": reason}, {}, now)

    def done(self, channel: Channel, id: str, now: Now) -> None:
        """Nothing is told of it."""

    def unmonitored(self, channel: Channel, reason: str, now: Now) -> None:
        if reason == ON_HOLD:
            self._tell(channel, "MONITORING_FAILED", {"reasonCode": reason}, {}, now)

    def _tell(self, channel: Channel, event: str, more: dict[str, Any], dialog: dict[str, Any], now: Now) -> None:
        if channel.user is not None:
            body = {"event": event, **more, "dialog": {"id": dialog_of(channel), **dialog}}
            self._deliver(channel.user, written(body), now)
