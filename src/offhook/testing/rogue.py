"""A SIP client of a user who keeps to no rule of ours: any number, any header, any From. For stories of authorisation.

async with Rogue("ws://127.0.0.1:5066", "127.0.0.1", "1001", "1234") as rogue:
    assert await rogue.invite("*441000", [("X-Role", "supervisor")]) == 403
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, get_args

from offhook.clock import Ids, Now, Timers
from offhook.driver import Driver, SystemIds
from offhook.media.engine import CreateOffer, EngineEvent, OfferCreated
from offhook.media.null import NullEngine
from offhook.sip.account import Account
from offhook.sip.events import Established, Registered, RequestReceived, SessionEnded, SipEvent
from offhook.sip.fields import Address
from offhook.sip.flow import FlowInput, FlowOutput
from offhook.sip.uri import Uri
from offhook.sip.user_agent import UserAgent
from offhook.testing.record import Record
from offhook.transport.clients import ClientTransport

WORD = "application/vnd.offhook+json"


class Rogue:
    """Registered while it is entered; its calls have no audio."""

    def __init__(self, server: str, domain: str, user: str, password: str) -> None:
        self._domain = domain
        self._ids: Ids = SystemIds()
        self.timers = Timers()
        self._ua = UserAgent(Account(user, domain, password, (server,)), timers=self.timers, ids=self._ids)
        self._transport = ClientTransport(self._take)
        ports: dict[type, Any] = {kind: self._transport.perform for kind in get_args(FlowOutput)}
        self.events: Record[SipEvent] = Record()
        ports |= {kind: self.events.append for kind in get_args(SipEvent)}
        self._driver = Driver(self, ports)
        self._session = ""

    def receive(self, given: FlowInput | Ask, now: Now) -> None:
        """Something to do, or something of the connection."""
        if isinstance(given, Ask):
            given.ask(now)
        else:
            self._ua.receive(given, now)

    def outputs(self) -> list[FlowOutput | SipEvent]:
        return self._ua.outputs()

    def _take(self, given: FlowInput) -> None:
        self._driver.put(given)

    async def __aenter__(self) -> Rogue:
        self._driver.start()
        self._driver.put(Ask(self._ua.start))
        await self.events.first(lambda event: isinstance(event, Registered), "registration")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._ua.sessions():
            self._driver.put(Ask(lambda now, session=session: self._ua.hangup(session, now)))
        await self.events.until(lambda _: not self._ua.sessions(), "end of the calls")
        self._driver.put(Ask(self._ua.stop))
        await self._transport.close()
        await self._driver.stop()

    async def invite(self, number: str, headers: Sequence[tuple[str, str]], from_user: str = "") -> int:
        """Call; gives the final status."""
        session = self._session = self._ids.token(64)
        from_ = Address(None, Uri.sip(from_user, self._domain)) if from_user else None
        offer = self._offer(session)
        target = str(Uri.sip(number, self._domain))
        self._driver.put(
            Ask(lambda now: self._ua.invite(target, offer, now, headers=tuple(headers), session=session, from_=from_))
        )

        def final(event: SipEvent) -> bool:
            return isinstance(event, Established | SessionEnded) and event.session == session

        event = await self.events.first(final, f"answer to {number}")
        return 200 if isinstance(event, Established) else int(getattr(event, "status", None) or 0)

    async def word(self, word: dict[str, Any]) -> dict[str, Any]:
        """Say a word on the last call; gives what the server says to its `id`."""
        text = json.dumps(word)
        self._driver.put(Ask(lambda now: self._ua.info(self._session, WORD, text, now)))

        def said(event: SipEvent) -> bool:
            return isinstance(event, RequestReceived) and _read(event).get("id") == word["id"]

        answer = await self.events.first(said, f"word about {word['event']}")
        assert isinstance(answer, RequestReceived)
        return _read(answer)

    def _offer(self, media: str) -> str:
        engine, made = NullEngine(), list[EngineEvent]()
        engine.start(made.append)
        engine.perform(CreateOffer("offer", media))
        return next(event.sdp for event in made if isinstance(event, OfferCreated))


class Ask:
    """Something to do in the driver's turn."""

    def __init__(self, ask: Any) -> None:
        self._ask = ask

    def ask(self, now: Now) -> None:
        self._ask(now)


def _read(event: RequestReceived) -> dict[str, Any]:
    if event.request.method != "INFO" or event.request.content_type != WORD:
        return {}
    found: dict[str, Any] = json.loads(event.request.text)
    return found
