"""A REFER of a client, and what transfers leave behind on the leg that they move."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from offhook.clock import Now
from offhook.errors import RemoteError, StateError
from offhook.sip.fields import Address
from offhook.sip.message import Request

if TYPE_CHECKING:
    from offhook.switch.channel import Channel
    from offhook.switch.exchange import Party


class Confirmation(Protocol):
    """Who waits for the outcome of a transfer (`confirm-blind-transfer`)."""

    def confirm(self, now: Now) -> None:
        """The transferred leg is connected, or hears its target's early media."""
        ...

    def give_back(self, now: Now) -> bool:
        """The dialplan has come to its end: connect the leg with the transferrer again; False where that has left."""
        ...


@dataclass(slots=True)
class Journey:
    """What a leg has been through."""

    hops: int = 70
    """Max-Forwards of an INVITE on the leg's behalf, plus one."""
    refusal: int | None = None
    """The status with which the last call on its behalf was refused; nothing but a ringing target forgets it."""
    referred_by: str | None = field(default=None, repr=False)
    called: Party | None = field(default=None, repr=False)
    """Whom the last call on its behalf went to."""
    confirmation: Confirmation | None = None
    held_at: float = float("-inf")
    """When its hold was last answered, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Referral:
    """What a REFER asks for (RFC 3515), and whom to tell what comes of it.

    Of a Replaces in its Refer-To the Call-ID counts alone: FreeSWITCH overlooks wrong tags, and missing ones.
    """

    by: Channel
    number: int
    """The CSeq of the REFER."""
    target: str | None = field(repr=False)
    """The user of its Refer-To."""
    replaces: str | None = field(repr=False)
    referred_by: str | None = field(repr=False)

    @classmethod
    def read(cls, request: Request, by: Channel) -> Referral:
        """Without a target where there is no Refer-To, or one that cannot be read."""
        try:
            address = request.refer_to
        except RemoteError:
            address = None
        return cls(
            by=by,
            number=request.cseq.number,
            target=None if address is None else address.uri.user,
            replaces=None if address is None else _replaced(address),
            referred_by=request.headers.get("Referred-By"),
        )

    def tell(self, status: int, phrase: str, now: Now) -> None:
        """The one NOTIFY; nothing where the transferrer cannot be told any more."""
        if not self.by.alive:
            return
        try:
            self.by.exchange.ua.notify(self.by.session, self.number, status, now, phrase=phrase)
        except StateError:
            return


def _replaced(address: Address) -> str | None:
    """The Call-ID of the dialog to be replaced."""
    for name, value in address.uri.headers:
        if name.lower() == "replaces":
            return value.partition(";")[0]
    return None
