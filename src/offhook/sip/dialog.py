"""Dialogs: the relation of two user agents that outlives single requests (RFC 3261 12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from offhook.errors import RemoteError
from offhook.sip.fields import Address
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response
from offhook.sip.uri import Uri

RESTORE_GAP = 1000
"""CSeqs that a restored dialog leaves out: the snapshot may be older than the last request. Gaps harm nothing, while
a CSeq used twice is taken for a repetition."""


def address_of(uri: Uri) -> str:
    """A URI as it may stand in a Request-URI: without headers (RFC 3261 §12.2.1.1, §19.1.1)."""
    return str(replace(uri, headers=()) if uri.headers else uri)


class Numbering:
    """CSeq numbers: rising by one, for one Call-ID and one direction."""

    __slots__ = ("last",)

    def __init__(self, last: int) -> None:
        self.last = last

    def next(self) -> int:
        self.last += 1
        return self.last


class Dialog:
    """One dialog, early or confirmed. `local` and `remote` are From and To as a request of ours has them."""

    __slots__ = (
        "call_id",
        "local",
        "remote",
        "remote_target",
        "route_set",
        "numbering",
        "remote_cseq",
        "caller",
        "confirmed",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: Address,
        remote: Address,
        remote_target: str,
        route_set: tuple[str, ...],
        numbering: Numbering,
        remote_cseq: int | None,
        caller: bool,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.remote_target = remote_target
        self.route_set = route_set
        self.numbering = numbering
        self.remote_cseq = remote_cseq
        self.caller = caller
        self.confirmed = False

    def __repr__(self) -> str:
        return f"Dialog({'confirmed' if self.confirmed else 'early'})"

    @property
    def local_tag(self) -> str:
        return self.local.tag or ""

    @property
    def remote_tag(self) -> str:
        return self.remote.tag or ""

    @classmethod
    def of_caller(cls, request: Request, response: Response, numbering: Numbering) -> Dialog:
        """What a response to our INVITE made (RFC 3261 12.1.2). RemoteError where it lacks tag or Contact."""
        if response.to.tag is None:
            raise RemoteError("a response that makes a dialog has no To tag")
        contact = response.contact
        return cls(
            call_id=request.call_id,
            local=request.from_,
            remote=response.to,
            # Without a Contact the request's own target is all there is; the 2xx corrects it.
            remote_target=request.uri if contact is None else address_of(contact.uri),
            route_set=tuple(f"<{route.uri}>" for route in reversed(response.record_routes)),
            numbering=numbering,
            remote_cseq=None,
            caller=True,
        )

    @classmethod
    def of_called(cls, request: Request, tag: str, numbering: Numbering) -> Dialog:
        """What an INVITE of a peer makes with our tag (RFC 3261 12.1.1). RemoteError where it has no Contact."""
        contact = request.contact
        if contact is None:
            raise RemoteError("an INVITE has no Contact", 400)
        return cls(
            call_id=request.call_id,
            local=request.to.with_tag(tag),
            remote=request.from_,
            remote_target=address_of(contact.uri),
            route_set=tuple(f"<{route.uri}>" for route in request.record_routes),
            numbering=numbering,
            remote_cseq=request.cseq.number,
            caller=False,
        )

    def confirm(self, response: Response | None = None) -> None:
        """The 2xx is there; a caller's route set and target are taken from it anew (RFC 3261 13.2.2.4)."""
        self.confirmed = True
        if response is not None:
            self.remote = response.to
            self.route_set = tuple(f"<{route.uri}>" for route in reversed(response.record_routes))
            self.refresh_target(response)

    def refresh_target(self, message: Request | Response) -> None:
        """A target refresh (INVITE, UPDATE) and the 2xx to one may move the peer (RFC 3261 12.2)."""
        contact = message.contact
        if contact is not None:
            self.remote_target = address_of(contact.uri)

    def request(self, method: str, number: int | None = None) -> Request:
        """A request in this dialog (RFC 3261 12.2.1.1), but for Via, body and what its method needs.

        `number`: the CSeq of an ACK or CANCEL; others take the next one.
        """
        target, routes = self.remote_target, list(self.route_set)
        if routes and "lr" not in Address.parse(routes[0]).uri.parameters:
            # A strict router wants itself in the Request-URI, and the target last.
            target, routes = address_of(Address.parse(routes[0]).uri), [*routes[1:], f"<{self.remote_target}>"]
        headers = Headers([("Route", route) for route in routes])
        headers.add("Max-Forwards", "70")
        headers.add("From", str(self.local))
        headers.add("To", str(self.remote))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{self.numbering.next() if number is None else number} {method}")
        return Request(method, target, headers)

    def accepts(self, request: Request) -> bool:
        """Whether a request in this dialog comes in order (RFC 3261 12.2.2); the CSeq is remembered if so."""
        number = request.cseq.number
        if self.remote_cseq is not None and number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def snapshot(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return {
            "call_id": self.call_id,
            "local": str(self.local),
            "remote": str(self.remote),
            "remote_target": self.remote_target,
            "route_set": list(self.route_set),
            "local_cseq": self.numbering.last,
            "remote_cseq": self.remote_cseq,
            "caller": self.caller,
        }

    @classmethod
    def restore(cls, snapshot: dict[str, Any]) -> Dialog:
        restored = cls(
            call_id=snapshot["call_id"],
            local=Address.parse(snapshot["local"]),
            remote=Address.parse(snapshot["remote"]),
            remote_target=snapshot["remote_target"],
            route_set=tuple(snapshot["route_set"]),
            numbering=Numbering(snapshot["local_cseq"] + RESTORE_GAP),
            remote_cseq=snapshot["remote_cseq"],
            caller=snapshot["caller"],
        )
        restored.confirmed = True
        return restored
