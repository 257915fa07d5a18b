"""Transfers, as FreeSWITCH does them: a client sends REFER in a call (README, the two sections on REFER).

Blind (`Blind`): the other party of the call goes through the dialplan with the number of the Refer-To. In the stock
configuration the transferrer is told 200 at once and gets BYE. With `confirm_blind_transfer` it is parked instead, and
told once: when the target answers (or sends early media), or when the dialplan has come to its end without having
connected anybody; then it is given the call back. Nothing is told where the dialplan hangs up, where the transferred
party leaves, or where an application keeps it.

Attended (`Attended`): the Refer-To has a Replaces that names another call of the transferrer. The other parties of
the two calls are connected; both legs of the transferrer get BYE.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.errors import StateError
from offhook.sip.events import RequestReceived
from offhook.switch.b2bua import Bridge
from offhook.switch.causes import Cause
from offhook.switch.channel import Call, Channel, Owner, State
from offhook.switch.exchange import Exchange, Party
from offhook.switch.execution import Execution
from offhook.switch.inbound import Inbound
from offhook.switch.joint import ATTENDED, Joint, introduction
from offhook.switch.referral import Referral

LEAVE_SECONDS = 0.02
"""So long after the 202 the transferrer gets BYE, and the target is called."""
CONSULT_SECONDS = 0.01
"""So long after the 202 the leg named by the Replaces of an attended transfer gets BYE: before the other one."""
CALLED_SECONDS = 1.5
"""The same where the transferrer was called on that leg: FreeSWITCH has parked it for a while (measured)."""
HELD_SECONDS = 0.01
"""A REFER that comes so soon after the answer to a caller's hold is not confirmed: it gets BYE (traces 30k and 36e)."""
PARK_SECONDS = 600.0
"""So long a transferrer who does not hang up is kept."""

FORBIDDEN = (403, "Forbidden")


def transfer(exchange: Exchange, event: RequestReceived, by: Channel, now: Now) -> None:
    """Answer a REFER that came on the leg `by`, and do what it asks for."""
    referral = Referral.read(event.request, by)
    exchange.ua.respond(event.key, 202, now, phrase="Accepted", headers=[("Expires", "60")])
    if referral.replaces is None:
        _transfer_blind(exchange, referral, now)
    else:
        _transfer_attended(exchange, referral, referral.replaces, now)


def _transfer_blind(exchange: Exchange, referral: Referral, now: Now) -> None:
    if not referral.target:
        return  # FreeSWITCH has said 202 even so, and says no more (measured)
    whom = _partner(referral.by)
    if whom is None or not referral.target.isprintable():
        referral.tell(*FORBIDDEN, now)
    else:
        Blind(exchange, referral, whom, referral.target).start(now)


def _transfer_attended(exchange: Exchange, referral: Referral, call_id: str, now: Now) -> None:
    consult = exchange.channel_with_call_id(call_id)
    customer = _partner(referral.by)
    if consult is None or (consult.way is Call.OUTBOUND and consult.state is not State.ANSWERED):
        # FreeSWITCH calls the Refer-To with the Replaces, which comes to nothing (measured): the calls go on.
        referral.tell(*FORBIDDEN, now)
    elif consult.state is not State.ANSWERED and isinstance(consult.owner, Bridge):
        if customer is None:
            referral.tell(*FORBIDDEN, now)
        else:
            Attended(exchange, referral, consult).start_early(customer, consult.owner, now)
    else:
        Attended(exchange, referral, consult).start(customer, _partner(consult), now)


def _partner(channel: Channel) -> Channel | None:
    """The leg that a leg is connected with; both are answered."""
    peer = channel.peer
    return peer if peer is not None and peer.state is channel.state is State.ANSWERED else None


def _go_on(exchange: Exchange, whom: Channel, referral: Referral, number: str, now: Now) -> None:
    """Send a leg through the dialplan with another number."""
    whom.journey.hops -= 1
    whom.journey.referred_by = referral.referred_by
    whom.destination = number
    Execution(exchange, whom).run(number, now)


class Blind(Owner):
    """Sends `whom` to `number` in the dialplan; the owner of both legs until that begins, and then of a parked one."""

    def __init__(self, exchange: Exchange, referral: Referral, whom: Channel, number: str) -> None:
        self._exchange = exchange
        self._referral = referral
        self._by = referral.by
        self._whom = whom
        self._number = number
        self._reason = Cause.NORMAL_CLEARING
        self._stays = False
        """The transferrer is parked until it hangs up."""

    def start(self, now: Now) -> None:
        by, whom = self._by, self._whom
        # Of a party that was called and is not told yet whom it has, FreeSWITCH has not made the bridge: it lets go of
        # it as if it rang, and says nothing of the transfer (measured).
        early = by.way is Call.OUTBOUND and isinstance(by.owner, Joint) and by.owner.settling
        by.give_to(self, now)
        whom.give_to(self, now)
        if self._exchange.settings.confirm_blind_transfer:
            whom.journey.confirmation = self
            hasty = by.way is Call.INBOUND and now.monotonic - by.journey.held_at < HELD_SECONDS
            self._stays = not (hasty or early)
            if early:
                self._reason = Cause.ORIGINATOR_CANCEL
        else:
            self._referral.tell(200, "OK", now)
        if self._stays:
            self._exchange.timers.set(self, "park", now.monotonic + PARK_SECONDS)
        self._exchange.timers.set(self, "go", now.monotonic + LEAVE_SECONDS)

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "park":
            self._by.hang_up(Cause.BLIND_TRANSFER, now)
            return
        if not self._stays and self._by.owner is self:
            self._by.hang_up(self._reason, now)
        if self._whom.owner is self:
            _go_on(self._exchange, self._whom, self._referral, self._number, now)

    def confirm(self, now: Now) -> None:
        self._whom.journey.confirmation = None
        self._referral.tell(200, "OK", now)

    def give_back(self, now: Now) -> bool:
        by, whom = self._by, self._whom
        whom.journey.confirmation = None
        if by.owner is not self:
            return False
        self._exchange.timers.cancel(self, "park")
        refusal = whom.journey.refusal
        if refusal is None:
            self._referral.tell(*FORBIDDEN, now)
        else:
            self._referral.tell(refusal, str(refusal), now)
        held, by.remote_held = by.remote_held, False
        joint = Joint(self._exchange, by, whom)
        joint.start(now)
        joint.introduce(now, *self._displays())
        if held:
            by.reoffer(now)
        return True

    def _displays(self) -> list[tuple[Channel, Party]]:
        """Who is told what of a call that was given back: a caller that it is connected to the target (measured)."""
        by, whom = self._by, self._whom
        displays = [(leg, introduction(other)) for leg, other in ((by, whom), (whom, by)) if leg.way is Call.OUTBOUND]
        if by.way is Call.INBOUND:
            displays.append((by, whom.journey.called or introduction(whom)))
        return displays

    def let_go(self, channel: Channel, now: Now) -> None:
        if channel is self._by:
            self._exchange.timers.cancel(self, "park")

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        if channel is self._by:
            self._exchange.timers.cancel(self, "park")


class Attended(Owner):
    """Takes the transferrer's two legs away: that which the Replaces names and that which the REFER came on."""

    def __init__(self, exchange: Exchange, referral: Referral, consult: Channel) -> None:
        self._exchange = exchange
        self._referral = referral
        self._consult = consult
        self._reason = Cause.NORMAL_CLEARING
        self._delay = CONSULT_SECONDS

    def start(self, customer: Channel | None, consulted: Channel | None, now: Now) -> None:
        """The consult call was answered. Where one of the calls has no other party, that of the other goes on in the
        dialplan with the number that was dialled in it."""
        legs = (self._referral.by, self._consult)
        others = [leg for leg in (customer, consulted) if leg is not None]
        if not others or len({leg.uuid for leg in (*legs, *others)}) < len(legs) + len(others):
            self._referral.tell(*FORBIDDEN, now)  # one call with itself makes none
            return
        for leg in legs:
            leg.give_to(self, now)
        if customer is not None and consulted is not None:
            joint = Joint(self._exchange, customer, consulted)
            joint.start(now)
            shown = ((customer, introduction(consulted)), (consulted, introduction(customer)))
            joint.introduce(now, *shown, transferred=(consulted, ATTENDED))
            if self._consult.way is Call.OUTBOUND:
                self._reason, self._delay = Cause.ATTENDED_TRANSFER, CALLED_SECONDS
        else:
            self._reason = Cause.ATTENDED_TRANSFER
            whom, dialled = (customer, self._consult) if customer is not None else (consulted, self._referral.by)
            assert whom is not None
            whom.give_to(Owner(), now)
            _go_on(self._exchange, whom, self._referral, dialled.destination, now)
        self._referral.tell(200, "OK", now)
        self._leave(now)

    def start_early(self, customer: Channel, bridge: Bridge, now: Now) -> None:
        """The consulted party still rings: the customer waits for its answer in the transferrer's place (trace 06c)."""
        consult = self._consult
        bridge.change_caller(customer, now)
        for leg in (self._referral.by, consult):
            leg.give_to(self, now)
        self._referral.tell(200, "OK", now)
        self._leave(now)

    def _leave(self, now: Now) -> None:
        self._exchange.timers.set(self, "consult", now.monotonic + self._delay)
        self._exchange.timers.set(self, "first", now.monotonic + CONSULT_SECONDS + LEAVE_SECONDS)

    def handle_timer(self, timer: str, now: Now) -> None:
        leg = self._consult if timer == "consult" else self._referral.by
        if leg.owner is not self:
            return  # it has ended
        if leg.state is State.ANSWERED:
            reason = self._reason if leg is self._consult else Cause.NORMAL_CLEARING
            leg.hang_up(reason, now)
        elif isinstance(leg, Inbound):
            self._end_early(leg, now)

    def _end_early(self, leg: Inbound, now: Now) -> None:
        """BYE in the early dialog, and 486 to its INVITE all the same."""
        reason = [("Reason", 'Q.850;cause=16;text="normal_clearing"')]
        try:
            self._exchange.ua.request("BYE", None, now, session=leg.session, headers=reason)
            self._exchange.ua.reject(leg.session, 486, now, phrase="Busy Here")
        except StateError:
            pass
        leg.end(Cause.NORMAL_CLEARING, now, told=False)
