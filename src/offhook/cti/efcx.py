"""Dialect `efcx`: the vendor's media server, which takes digits for commands and answers by MESSAGE. RB §3, §7.3.

Here the dialog id is the X-Call-Id of the call or else its SIP Call-ID: the server's MESSAGEs name calls by it.
"""

from __future__ import annotations

from dataclasses import replace

from offhook.cti.dialect import FreeSwitch, Invitation
from offhook.cti.words import Ask
from offhook.sip.message import Request

_DIGITS = {"TRANSFER": "*A", "BARGE": "*B", "CONFERENCE": "*C"}
_ANSWERED = frozenset(_DIGITS)
_DURATION_MS = 1000
"""As the reference's (RB §3.14)."""


class Efcx(FreeSwitch):
    """The vendor's media server; what is not said otherwise is as with FreeSWITCH."""

    name = "efcx"
    words = False

    def read(self, request: Request) -> Invitation:
        told = super().read(request)
        return told if told.call_id is not None else replace(told, call_id=request.call_id)

    def express(self, ask: Ask) -> tuple[tuple[str, str], ...]:
        return tuple(self.digit(digit, _DURATION_MS) for digit in _DIGITS.get(ask.event, ""))

    def answers(self, ask: Ask) -> bool:
        return ask.event in _ANSWERED
