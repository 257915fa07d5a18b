"""Early dialogs of a caller: one for each branch of a forked INVITE (RFC 3261 §12.1, §13.2.2.4)."""

from __future__ import annotations

from offhook.errors import RemoteError
from offhook.sip.dialog import Dialog
from offhook.sip.message import Response
from offhook.sip.negotiation import Negotiation


def is_reliable(response: Response) -> bool:
    """Whether a provisional response wants a PRACK (RFC 3262 §4)."""
    try:
        return response.status > 100 and "100rel" in response.require and response.rseq is not None
    except RemoteError:
        return False


class EarlyDialog:
    """One branch: its dialog, its own offer and answer, and how far its reliable responses have come."""

    __slots__ = ("dialog", "negotiation", "rseq")

    def __init__(self, dialog: Dialog, negotiation: Negotiation) -> None:
        self.dialog = dialog
        self.negotiation = negotiation
        self.rseq: int | None = None

    def takes(self, rseq: int) -> bool:
        """Whether that reliable response is the next one.

        RFC 3262 §4: one that comes again is dropped, one after a gap too: it will be sent again until it is its turn.
        """
        if self.rseq is not None and rseq != self.rseq + 1:
            return False
        self.rseq = rseq
        return True
