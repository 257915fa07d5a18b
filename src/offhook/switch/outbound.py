"""A leg on which we call a client."""

from __future__ import annotations

from collections.abc import Sequence

from offhook.clock import Now
from offhook.errors import RemoteError, StateError
from offhook.media.engine import CreateOffer, EngineEvent, OfferCreated
from offhook.sip.fields import Address
from offhook.sip.message import Response
from offhook.sip.uri import Uri
from offhook.switch.causes import Cause
from offhook.switch.channel import SUPPORT, Call, Channel, Owner, State, supports
from offhook.switch.exchange import Exchange, Party
from offhook.switch.registrar import Binding


class Caller(Owner):
    """Who has placed the call: a bridge, or the one who originated it."""

    def progressed(self, status: int, now: Now) -> None:
        """101 to 199 came; where it had SDP `early_media` follows or went before."""

    def early_media(self, now: Now) -> None:
        """The far end sends early media."""

    def answered(self, now: Now) -> None:
        """200 came, ACK is out."""


class Outbound(Channel):
    """A call to a registered user."""

    way = Call.OUTBOUND

    def __init__(self, exchange: Exchange, *, user: str, shown: Party, destination: str, caller: Caller) -> None:
        super().__init__(
            exchange, exchange.uuid(), user=user, party=Party("Outbound Call", user), destination=destination
        )
        self.shown = shown
        """Who the called party sees."""
        self.caller = caller
        self.owner = caller
        self._first_offer: str | None = None
        self._last_answer: str | None = None
        self._refreshes_itself = False
        self.x_headers: Sequence[tuple[str, str]] = ()
        """Of the called party's last response."""
        self.refusal: int | None = None
        """The status with which it refused."""

    def place(
        self,
        binding: Binding,
        now: Now,
        *,
        x_headers: Sequence[tuple[str, str]] = (),
        video: bool = False,
        auto_answer: bool = False,
        hops: int = 70,
        referred_by: str | None = None,
    ) -> None:
        """Send the INVITE to where the user has registered; with `video` it is offered too, always both ways
        (trace 23). `hops` is its Max-Forwards."""
        contact = Uri.parse(binding.uri)
        self.journey.hops = hops
        self.party = Party(self.party.name, contact.user or "")
        self.call_headers = dict(x_headers)
        host = self.exchange.settings.domain

        def made(event: EngineEvent, now: Now) -> None:
            if not self.alive:
                return
            if not isinstance(event, OfferCreated):
                self.fail(Cause.INCOMPATIBLE_DESTINATION, now)
                return
            if not self.exchange.registrar.is_open(binding.flow):
                # Over TCP it may be registered though nobody is there any more.
                self.fail(Cause.NORMAL_TEMPORARY_FAILURE, now)
                return
            self._first_offer = event.sdp
            headers = [*x_headers, SUPPORT, ("Remote-Party-ID", self.remote_party(self.shown))]
            if referred_by is not None:
                headers.append(("Referred-By", referred_by))
            if auto_answer:
                headers.append(("Call-Info", f"<sip:{host}>;answer-after=0"))
            self.session = self.exchange.ua.invite(
                binding.uri + (";intercom=true" if auto_answer else ""),
                event.sdp,
                now,
                headers=headers,
                flow=binding.flow,
                from_=Address(self.shown.name, Uri.sip(self.shown.number, host)),
                to=Address(None, contact),
                contact=Address(None, Uri.parse(f"sip:mod_sofia@{self.exchange.settings.sip_address}")),
            )
            self.call_id = self.exchange.ua.session(self.session).call_id
            self.exchange.wording.placed(self.call_id, binding.flow, hops)
            self.exchange.bind(self.session, self)

        self.exchange.ask(lambda name: CreateOffer(name, self.media, video=self.wish(video)), made)

    @property
    def as_caller(self) -> Party:
        """Its entry in the directory (trace 05b)."""
        user = self.exchange.directory.find(self.user or "")
        return self.party if user is None else Party(user.name, user.number)

    def reinvite_headers(self) -> Sequence[tuple[str, str]]:
        """None: the wording repeats those of the first INVITE."""
        return ()

    def progressed(self, status: int, response: Response, now: Now) -> None:
        """A provisional response came."""
        if status == 100 or self.state is State.ANSWERED:
            return
        self._learn(response)
        if self.state is State.NEW:
            self.state = State.RINGING
        self.caller.progressed(status, now)

    def answer_received(self, answer: str, now: Now) -> None:
        if answer == self._last_answer:
            return
        self._last_answer = answer
        super().answer_received(answer, now)
        if self.state in (State.NEW, State.RINGING):
            self.state = State.EARLY

    def early_answer_received(self, answer: str, now: Now) -> None:
        """SDP in a provisional response."""
        self.answer_received(answer, now)
        self.caller.early_media(now)

    def established(self, response: Response, now: Now) -> None:
        """200 came."""
        self._learn(response)
        self.state = State.ANSWERED
        granted = response.session_expires
        self._refreshes_itself = granted is not None and granted.refresher == "uac"
        if granted is not None and granted.refresher == "uas":
            self.timer.expect_refresh(now)
        else:
            self.timer.refresh_ourselves(now, self.exchange.ids.fraction())
        self.caller.answered(now)

    def refresh_session(self, now: Now) -> None:
        """Send the first offer again (trace 28), or a fresh one if something was agreed on since.

        Where the called party has granted us the refreshing the user agent does it, and only the connection is looked
        at here.
        """
        self.timer.refresh_ourselves(now, self.exchange.ids.fraction())
        if self._refreshes_itself and self.exchange.registrar.is_open(self.exchange.wording.flow_of(self.call_id)):
            return
        if self._first_offer is None:
            self.reoffer(now)
        else:
            self.reinvite(self._first_offer, now)

    def renegotiated(self) -> None:
        self._first_offer = None
        self._last_answer = None

    def notify_talk(self, now: Now) -> None:
        """NOTIFY that asks the phone to answer (trace 25)."""
        headers = [("Event", "talk"), ("Subscription-State", "terminated;reason=noresource")]
        try:
            self.exchange.ua.request("NOTIFY", None, now, session=self.session, headers=headers)
        except StateError:
            return

    def hang_up(self, cause: Cause, now: Now, *, told: bool = False) -> None:
        if self.alive and self.session:
            self.send_bye(cause.reason, now)
        self.end(cause, now, told=told)

    def _learn(self, response: Response) -> None:
        """Who the called party says it is: X-FS-Display-Name or P-Asserted-Identity, its Contact's user (trace 37)."""
        support = response.headers.get("X-FS-Support")
        self.shows_display = self.shows_display or supports(support, "update_display")
        self.takes_words = self.takes_words or supports(support, "send_info")
        self.x_headers = [
            (name, value)
            for name, value in response.headers
            if name.lower().startswith("x-") and not name.lower().startswith("x-fs-")
        ]
        contact = response.contact
        name = response.headers.get("X-FS-Display-Name")
        number = response.headers.get("X-FS-Display-Number")
        identity = _identity(response.headers.get("P-Asserted-Identity"))
        if identity is not None and name is None:
            name, number = identity.display_name, number or identity.uri.user
        if number is None and contact is not None:
            number = contact.uri.user
        self.party = Party(name or self.party.name, number or self.party.number)


def _identity(asserted: str | None) -> Address | None:
    """P-Asserted-Identity, where there is one that can be read."""
    try:
        return None if asserted is None else Address.parse(asserted)
    except RemoteError:
        return None
