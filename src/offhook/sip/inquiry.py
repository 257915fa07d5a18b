"""Single requests that the owner sends, in a dialog or outside, and their outcome."""

from __future__ import annotations

from offhook.clock import Now
from offhook.sip.dialog import Numbering
from offhook.sip.events import RequestAnswered
from offhook.sip.exchange import Answer, Endpoint, Exchange, Pairs
from offhook.sip.fields import Address
from offhook.sip.headers import Headers
from offhook.sip.invite import Session
from offhook.sip.message import Request

NOT_OF_THE_SESSION = ("OPTIONS", "MESSAGE", "REFER", "SUBSCRIBE", "NOTIFY")
"""That one of these was not answered in time says nothing of the session (RFC 5057 5.2)."""

SUBSCRIPTION = ("SUBSCRIBE", "NOTIFY")
"""481 to one of these means the subscription alone (RFC 5057 5.1)."""


class Inquiry:
    """One request; told by `RequestAnswered`."""

    __slots__ = ("id", "_endpoint", "_session")

    def __init__(self, endpoint: Endpoint, session: Session | None) -> None:
        self.id = endpoint.ids.token(64)
        self._endpoint = endpoint
        self._session = session

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        if answer.status < 200:
            return
        session = self._session
        name = None if session is None else session.id
        self._endpoint.emit(RequestAnswered(self.id, name, answer.status, answer.phrase, answer.response))
        method = exchange.request.method
        foreign = method in SUBSCRIPTION if answer.status == 481 else method in NOT_OF_THE_SESSION
        if session is not None and not foreign:
            session.gone(answer, now)


def outside(
    endpoint: Endpoint,
    method: str,
    target: str,
    *,
    from_: Address,
    to: Address,
    headers: Pairs,
    body: bytes = b"",
    content_type: str | None = None,
) -> tuple[Request, Numbering]:
    """A request outside of any dialog, in a fresh Call-ID (RFC 3261 8.1.1)."""
    numbering = Numbering(endpoint.style.first_cseq - 1)
    fields = Headers([("Max-Forwards", "70")])
    fields.add("From", str(from_.with_tag(endpoint.style.tag(endpoint.ids))))
    fields.add("To", str(to))
    fields.add("Call-ID", endpoint.style.call_id(endpoint.ids))
    fields.add("CSeq", f"{numbering.next()} {method}")
    for name, value in headers:
        if name.lower() == "max-forwards":
            fields.set(name, value)
        else:
            fields.add(name, value)
    if body and content_type is not None:
        fields.set("Content-Type", content_type)
    return Request(method, target, fields, body), numbering
