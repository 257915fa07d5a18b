"""A leg that a client called us on: it is rung, answered or refused as the dialplan says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from offhook.clock import Now
from offhook.errors import StateError
from offhook.media.engine import AnswerCreated, CreateOffer, EngineEvent, OfferCreated
from offhook.sip.message import Request
from offhook.switch.causes import Cause, cause_of, phrase_of
from offhook.switch.channel import SUPPORT, Call, Channel, State, has_video, supports
from offhook.switch.exchange import Exchange, Party


class Inbound(Channel):
    """A call from a client.

    Its media session is made when it is first needed, for 183 or 200: a call that is only refused never has one. Who
    sent no offer gets ours in the 200 (FreeSWITCH's `enable-3pcc`).
    """

    way = Call.INBOUND

    def __init__(
        self, exchange: Exchange, session: str, request: Request, offer: str | None, *, user: str, party: Party
    ) -> None:
        number = request.target.user or ""
        super().__init__(exchange, exchange.uuid(), user=user, party=party, destination=number)
        self.session = session
        self.call_id = request.call_id
        self.shown = Party(number, number)
        """Who the caller is told it is connected to."""
        self.passed_on: Sequence[tuple[str, str]] = ()
        """X-headers of the called party's answer, for the caller."""
        self.x_headers = {name: value for name, value in request.headers if name.lower().startswith("x-")}
        self._offer = offer
        self.video = offer is not None and has_video(offer)
        self._local = ""
        self._asked = False
        self._waiting: list[Callable[[Now], None]] = []
        support = self.x_headers.pop("X-FS-Support", None)
        self.shows_display, self.takes_words = supports(support, "update_display"), supports(support, "send_info")
        self.call_headers = self.x_headers
        self._times_itself = request.session_expires is not None
        exchange.bind(session, self)

    def ring(self, now: Now) -> None:
        """180, once."""
        if self.state is State.NEW:
            self.state = State.RINGING
            self.exchange.ua.ring(self.session, now, headers=self._shown_headers())

    def pre_answer(self, now: Now, then: Callable[[Now], None]) -> None:
        """183 with SDP, once; then early media flows. Who sent no offer gets a 180: an offer is for the 200 alone."""
        if self._offer is None:
            self.ring(now)
            then(now)
            return

        def ready(now: Now) -> None:
            if self.state in (State.NEW, State.RINGING):
                self.state = State.EARLY
                self.exchange.ua.ring(self.session, now, status=183, body=self._local, headers=self._shown_headers())
            then(now)

        self._with_media(ready, now)

    def answer(self, now: Now, then: Callable[[Now], None]) -> None:
        """200, if it is not answered yet."""

        def ready(now: Now) -> None:
            if self.alive and self.state is not State.ANSWERED:
                self.state = State.ANSWERED
                self.exchange.ua.accept(self.session, self._local, now, headers=self._shown_headers())
                if self._times_itself:
                    self.timer.expect_refresh(now)
            then(now)

        self._with_media(ready, now)

    def refuse(
        self, status: int, cause: Cause, now: Now, *, contact: str | None = None, reason: str | None = None
    ) -> None:
        """A final answer of 300 or more; `reason` in place of the name of its cause."""
        said = cause.reason if reason is None else cause.because(reason)
        headers = [("Reason", said), ("Remote-Party-ID", self._remote_party_id())]
        if contact is not None:
            headers.insert(0, ("Contact", contact))
        try:
            self.exchange.ua.reject(self.session, status, now, phrase=phrase_of(status), headers=headers)
        except StateError:
            pass
        self.end(cause, now, told=False)

    def respond(self, status: int, now: Now) -> None:
        """The dialplan's `respond`: the cause follows from the status."""
        self.refuse(status, cause_of(status), now)

    def hang_up(self, cause: Cause, now: Now, *, told: bool = False) -> None:
        if self.state is State.ANSWERED:
            self.send_bye(cause.reason, now)
            self.end(cause, now, told=told)
        elif self.alive:
            owner = self.owner
            self.refuse(cause.status, cause, now)
            if told:
                owner.ended(self, cause, now)

    def renegotiated(self) -> None:
        """Its first offer is never used again."""

    def refresh_session(self, now: Now) -> None:
        """It is refreshed by nobody but itself."""

    def _with_media(self, then: Callable[[Now], None], now: Now) -> None:
        if self._local:
            then(now)
            return
        self._waiting.append(then)
        if not self._asked:
            self._asked = True
            offer = self._offer
            if offer is None:
                self.exchange.ask(lambda name: CreateOffer(name, self.media), self._media_made)
            else:
                self.ask_for_answer(offer, self._media_made)

    def _media_made(self, event: EngineEvent, now: Now) -> None:
        if not self.alive:
            return
        if not isinstance(event, AnswerCreated | OfferCreated):
            self.fail(Cause.INCOMPATIBLE_DESTINATION, now)
            return
        self._local = event.sdp
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            if self.alive:
                then(now)

    def _shown_headers(self) -> list[tuple[str, str]]:
        headers = [*self.passed_on, ("Remote-Party-ID", self._remote_party_id())]
        if self.shows_display:
            number = f"sip:{self.shown.number}@{self.exchange.settings.domain}"
            display = [("X-FS-Display-Name", self.shown.name), ("X-FS-Display-Number", number)]
            headers = [*display, *self.passed_on, SUPPORT, headers[-1]]
        return headers

    def _remote_party_id(self) -> str:
        host = self.exchange.settings.domain
        return f'"{self.shown.name}" <sip:{self.shown.number}@{host}>;party=calling;privacy=off;screen=no'
