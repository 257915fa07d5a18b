"""Two legs as one call: the switch calls a user for somebody, and connects the two when it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from offhook.clock import Now
from offhook.switch.causes import Cause
from offhook.switch.channel import Channel, Owner, State
from offhook.switch.dialplan import CallUser, queue_headers
from offhook.switch.exchange import Exchange, Party
from offhook.switch.inbound import Inbound
from offhook.switch.joint import LAZY, Joint, introduction
from offhook.switch.outbound import Caller, Outbound
from offhook.switch.takeover import Departure
from offhook.switch.tones import HOLD_MUSIC, RINGBACK


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
        self._taker: Channel | None = None
        """Another leg of the user, which has taken the call while `b` rang."""
        self._plan = plan
        self._refused = refused
        self._connected = False
        self._shown = a.as_caller
        """Who the called party is told to be connected to."""
        self._given_up = Cause.ORIGINATOR_CANCEL

    def start(self, now: Now) -> None:
        """Call the user."""
        binding = self._exchange.registrar.binding(self._plan.user)
        if binding is None:
            self._refused(Cause.USER_NOT_REGISTERED, None, now)
            return
        a = self._a
        a.owner = self
        self._b = Outbound(
            self._exchange, user=self._plan.user, shown=self._shown, destination=a.destination, caller=self
        )
        given = a.x_headers if isinstance(a, Inbound) else {}
        if self._plan.queue_headers:
            headers = queue_headers(a.uuid, a.destination, a.party.number, given)
        else:
            headers = self._headers(given)
        self._b.place(
            binding,
            now,
            x_headers=headers,
            video=a.video,
            auto_answer=self._plan.auto_answer,
            hops=a.journey.hops - 1,
            referred_by=a.journey.referred_by,
        )
        a.journey.called = self._b.party
        self._exchange.timers.set(self, "ring", now.monotonic + self._plan.seconds)

    def _headers(self, given: Mapping[str, str]) -> list[tuple[str, str]]:
        """Those of the caller and, where the stock FreeSWITCH has none, those that name the call."""
        a, settings = self._a, self._exchange.settings
        if settings.server_half:
            # The id is for the server to give.
            kept = [each for each in given.items() if each[0].lower() not in ("x-call-id", "x-destination-number")]
            dialled = a.x_header("X-Destination-Number") or a.destination
            return [*kept, ("X-Call-Id", a.uuid), ("X-Destination-Number", dialled)]
        if settings.server == "efcx" and a.x_header("X-Call-Id") is None:
            return [*given.items(), ("X-Call-Id", a.uuid)]
        return list(given.items())

    def change_caller(self, a: Channel, now: Now) -> None:
        """Before the user answers: call it for `a`, an answered leg, in place of that for which it was called."""
        a.give_to(self, now)
        self._a = a
        self._shown = introduction(a)
        self._given_up = Cause.ATTENDED_TRANSFER
        self._refused = lambda cause, status, now: a.hang_up(Cause.NORMAL_CLEARING, now)
        a.player.play(HOLD_MUSIC, now)

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        """Before the user answers: its call goes on for another leg of the caller, or another leg of it takes the call
        (measured)."""
        assert isinstance(new, Inbound)
        Departure(self._exchange, old).start(now)
        new.owner = self
        if old is self._a:
            self._a = new
            self._refused = lambda cause, status, now: new.hang_up(cause, now)
            if self._connected:
                self._connect(now)
            return
        self._taker, self._connected = new, True
        self._exchange.timers.cancel(self, "ring")
        if isinstance(self._a, Inbound):
            self._a.shown = old.party
            self._a.answer(now, self._connect)
        else:
            self._connect(now)

    # The called party

    def progressed(self, status: int, now: Now) -> None:
        b = self._b
        assert b is not None
        self._a.journey.refusal = None
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
        confirmation = self._a.journey.confirmation
        if confirmation is not None:
            if self._exchange.settings.ignore_early_media:
                return
            confirmation.confirm(now)
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
            self._a.answer(now, self._connect)
        else:
            self._connect(now)

    def _connect(self, now: Now) -> None:
        """Both have answered."""
        a, b = self._a, self._taker or self._b
        if b is None or not (a.alive and b.alive):
            return
        joint = Joint(self._exchange, a, b)
        joint.start(now)
        if self._taker is not None:
            joint.introduce(now, (a, a.party), (b, introduction(a)))
        else:
            lazy = (b, LAZY) if self._given_up is Cause.ATTENDED_TRANSFER else None
            joint.introduce(now, (a, b.party), (b, self._shown), transferred=lazy)

    def _join(self, now: Now) -> None:
        """Early media, both ways."""
        a, b = self._a, self._b
        if b is None or not (a.alive and b.alive):
            return
        a.peer, b.peer = b, a
        a.hear_peer(now)
        b.hear_peer(now)

    # Both

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        b = self._taker or self._b
        assert b is not None
        self._exchange.timers.cancel(self, "ring")
        if channel is self._a:
            b.hang_up(cause if self._connected else self._given_up, now)
        elif self._connected:
            self._a.hang_up(cause, now)
        else:
            self._fail(cause, now)

    def display(self, channel: Channel, shown: Party, now: Now) -> None:
        if channel.peer is not None:
            channel.peer.update_display(shown, now)

    def handle_timer(self, timer: str, now: Now) -> None:
        """Nobody answers."""
        b = self._b
        assert b is not None
        b.hang_up(Cause.NO_ANSWER, now)
        self._fail(Cause.NO_ANSWER, now)

    def _fail(self, cause: Cause, now: Now) -> None:
        b = self._b
        if isinstance(self._a, Inbound) and b is not None and self._a.state is not State.NEW:
            self._a.shown = b.party
        if b is not None and b.refusal is not None:
            self._a.journey.refusal = b.refusal
        self._a.owner = Owner()
        self._refused(cause, None if b is None else b.refusal, now)
