"""Session timers: a session that nobody refreshes is over (RFC 4028).

Where we are called and the peer knows timers, we take the refreshing upon us from the 200 on and keep it
(`Style.refresher`): FreeSWITCH then sends no refresh of its own. That matters because it sends its requests to the one
flow that carried the 200: a refresh that meets a lost flow ends the call (measured: freeswitch/README.md, recovery.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offhook.clock import Now
from offhook.errors import RemoteError
from offhook.sip.exchange import Answer, Endpoint, Exchange, Pairs
from offhook.sip.fields import SessionExpires
from offhook.sip.message import Request, Response

if TYPE_CHECKING:
    from offhook.sip.invite import Session


def session_expires(message: Request | Response) -> SessionExpires | None:
    """The Session-Expires of a message; None where there is none that can be read."""
    try:
        return message.session_expires
    except RemoteError:
        return None


def minimum(message: Request | Response) -> int:
    """The Min-SE of a message, 0 where there is none."""
    try:
        return message.min_se or 0
    except RemoteError:
        return 0


LONGEST = 86_400
"""Seconds; no Min-SE beyond this is obeyed."""


def too_brief(request: Request, least: int) -> bool:
    """Whether an INVITE or UPDATE asks for a session timer below what we take (RFC 4028 §9): 422."""
    wanted = session_expires(request)
    return wanted is not None and wanted.seconds < least and "timer" in _options(request)


class SessionTimer:
    """The timer of one session. `interval` None: the session has none."""

    __slots__ = (
        "interval",
        "refreshing",
        "_endpoint",
        "_session",
        "_offered",
        "_least",
        "_overdue",
        "_method",
        "_exchange",
    )

    def __init__(self, endpoint: Endpoint, session: Session) -> None:
        self.interval: int | None = None
        self.refreshing = False
        """Whether the refreshes are ours to send."""
        self._endpoint = endpoint
        self._session = session
        self._offered: int | None = None
        self._least: int | None = None
        """What a 422 asked for (RFC 4028 §5)."""
        self._overdue = False
        self._method = endpoint.style.refresh_by
        self._exchange: Exchange | None = None

    def offer(self, request: Request) -> None:
        """Our INVITE is about to leave: what its owner wrote about timers is what we offer."""
        wanted = session_expires(request)
        self._offered = None if wanted is None else wanted.seconds

    def obey(self, response: Response) -> Pairs:
        """A 422 came: what the request is to carry on its next try (RFC 4028 §7.3). Empty: it is refused by it.

        Obeyed where it asks for more than before; so it comes to an end.
        """
        least = minimum(response)
        if not (self._offered or 0) < least <= LONGEST or (self._offered is None and self.interval is None):
            return ()
        self._offered = self._least = least
        return (("Session-Expires", str(least)), ("Min-SE", str(least)))

    def ask(self) -> Pairs:
        """Headers of a request of ours that refreshes the session (re-INVITE, UPDATE)."""
        if self.interval is None:
            return ()
        seconds = max(self._offered or self._endpoint.timing.session_interval, self._endpoint.timing.shortest_session)
        refresher = "uac" if self.refreshing else "uas"
        least = () if self._least is None else (("Min-SE", str(self._least)),)
        return (
            ("Supported", self._endpoint.style.supporting("timer")),
            ("Session-Expires", f"{seconds};refresher={refresher}"),
            *least,
        )

    def grant(self, request: Request) -> Pairs:
        """Headers of our 2xx to an INVITE or UPDATE of the peer; takes the session's timer from it."""
        wanted = session_expires(request)
        knows = "timer" in _options(request)
        if not knows and self.interval is None:
            return ()
        if self._endpoint.style.refresher:
            if knows:
                self.interval = self._asked_for(request, wanted)
            self.refreshing = True
            refresher = "uas"
        elif not knows:
            # RFC 4028 table 2: a peer without timers cannot refresh.
            assert self.interval is not None, "see above"
            self.refreshing, refresher = True, "uas"
        elif wanted is None and self.interval is None:
            return ()
        else:
            seconds = wanted.seconds if wanted is not None else self.interval or 0
            self.interval = max(min(seconds, self._offered or seconds), minimum(request), 1)
            refresher = wanted.refresher or "uac" if wanted is not None else "uac"
            self.refreshing = refresher == "uas"
        headers: list[tuple[str, str]] = []
        if knows and (self._endpoint.style.refresher or refresher == "uac"):
            headers.append(("Require", "timer"))
        headers += [
            ("Supported", self._endpoint.style.supporting("timer")),
            ("Session-Expires", f"{self.interval};refresher={refresher}"),
        ]
        return tuple(headers)

    def granted(self, response: Response) -> None:
        """The 2xx to our INVITE, re-INVITE or UPDATE came: it says how often, and who."""
        given = session_expires(response)
        if given is not None:
            self.interval = max(given.seconds, 1)
            if not (self._endpoint.style.refresher and self.refreshing):
                self.refreshing = given.refresher != "uas"
        elif self.interval is None and self._offered is not None:
            # The peer has no timers: we may still refresh by ourselves (RFC 4028 7.2).
            self.interval, self.refreshing = self._offered, True

    def start(self, now: Now) -> None:
        """The session was established or refreshed just now."""
        self.stop()
        if self.interval is None:
            return
        timing, timers = self._endpoint.timing, self._endpoint.timers
        if not self.refreshing:
            timers.set(self, "overdue", now.monotonic + timing.session_overdue * self.interval)
            return
        pause = self.interval / 2
        if self._endpoint.style.refresher:
            pause = min(pause, timing.session_refresh)
        timers.set(self, "refresh", now.monotonic + pause)

    def stop(self) -> None:
        self._overdue = False
        self._endpoint.timers.cancel(self, "refresh", "overdue")

    def reconnected(self, now: Now) -> None:
        """There is a flow again: make up for the refresh that found none."""
        timers = self._endpoint.timers
        if self._overdue:
            self._overdue = False
            self._refresh(now)
        elif not timers.is_set(self, "refresh") and not timers.is_set(self, "overdue") and self._exchange is None:
            self.start(now)  # the session comes from a snapshot

    def renew(self, now: Now) -> None:
        """Refresh the session now, for another reason than time; also where it has no timer."""
        self._endpoint.timers.cancel(self, "refresh")
        self._overdue = False
        self._refresh(now)

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "overdue":
            self._session.expire(now)
        else:
            self._refresh(now)

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        """What came of our UPDATE."""
        if answer.status < 200 or exchange is not self._exchange:
            return
        self._exchange = None
        if self._session.over:
            return
        if answer.lost:
            self._overdue = True
            if self._endpoint.usable(self._session.flow):
                self.reconnected(now)
            elif not self._endpoint.returns:
                self._session.unreachable(now)
        elif answer.response is not None and answer.status < 300:
            self._session.move_target(answer.response)
            self.granted(answer.response)
            self.start(now)
        elif answer.status == 422 and answer.response is not None and self.obey(answer.response):
            self._try_again(now)
        elif not self._session.gone(answer, now):
            if answer.status in (405, 501):
                self._method = "INVITE"
            self._try_again(now)

    def snapshot(self) -> dict[str, Any]:
        return {"interval": self.interval, "refreshing": self.refreshing, "offered": self._offered}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """The session goes on in another process: it is refreshed as soon as there is a flow."""
        self.interval = snapshot["interval"]
        self.refreshing = snapshot["refreshing"]
        self._offered = snapshot["offered"]
        self._overdue = self.interval is not None and self.refreshing

    def _refresh(self, now: Now) -> None:
        if not self._endpoint.usable(self._session.flow):
            self._overdue = True
            if not self._endpoint.returns:
                self._session.unreachable(now)
        elif self._session.renegotiation.busy:
            self._try_again(now)  # a re-INVITE is under way: it refreshes the session itself
        elif self._method == "UPDATE":
            self._exchange = self._session.send("UPDATE", self, now, headers=self.ask())
        else:
            self._session.renegotiation.repeat(now)
            self.start(now)

    def _try_again(self, now: Now) -> None:
        timing = self._endpoint.timing
        self._endpoint.timers.set(self, "refresh", now.monotonic + timing.t2 * (0.5 + self._endpoint.ids.fraction()))

    def _asked_for(self, request: Request, wanted: SessionExpires | None) -> int:
        timing = self._endpoint.timing
        seconds = timing.session_interval if wanted is None else wanted.seconds
        return max(seconds, minimum(request), timing.shortest_session)


def _options(message: Request | Response) -> frozenset[str]:
    try:
        return message.supported
    except RemoteError:
        return frozenset()
