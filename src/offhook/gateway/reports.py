"""What pages report for the gateway's log: a click to call of a foreign page that they refused (contract §2). Pure.

A page says `{"report": {"refused": "click to call", "origin": "https://crm.example", "times": 3}}`. Nothing answers it.
A page may be anyone's: what it reports is checked by shape and length, and logged so often at most.
"""

from __future__ import annotations

import logging
import re
from typing import Annotated, Literal

import msgspec

from offhook.clock import Now
from offhook.gateway.rates import Rates

logger = logging.getLogger(__name__)

BURST = 5
PER_SECOND = 1 / 60
"""Reports of one connection that are logged; the others are dropped."""
EVERYBODY = "everybody"
BURST_OF_ALL = 50
PER_SECOND_OF_ALL = 1.0

_REPORT = re.compile(r'\s*\{\s*"report"\s*:')
_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]{0,30}://[A-Za-z0-9.\-_\[\]:]{1,260}")


class _Said(msgspec.Struct):
    refused: Literal["click to call"]
    origin: Annotated[str, msgspec.Meta(max_length=300)]
    times: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 1


class _Envelope(msgspec.Struct):
    report: _Said


def is_report(text: str) -> bool:
    """Whether a text of a connection is a report, and no command."""
    return _REPORT.match(text) is not None


class Reports:
    """Logs them. `connections`: how many there may be."""

    def __init__(self, connections: int) -> None:
        self._rates = Rates(BURST, PER_SECOND, keys=connections)
        self._all = Rates(BURST_OF_ALL, PER_SECOND_OF_ALL, keys=1)

    def receive(self, connection: str, text: str, now: Now) -> None:
        """A text that `is_report`."""
        if self._rates.take(connection, now) or self._all.take(EVERYBODY, now):
            return
        try:
            said = msgspec.json.decode(text, type=_Envelope).report
        except (msgspec.DecodeError, RecursionError) as problem:
            logger.warning("= %s: a report is not understood: %s", connection, type(problem).__name__)
            return
        # `null` is what browsers give files and sandboxed frames for an origin.
        origin = said.origin if said.origin == "null" or _ORIGIN.fullmatch(said.origin) else "an origin that is none"
        logger.warning(
            "= %s: its page refused a click to call from %s (%d times); --allow-origin would let it in",
            connection,
            origin,
            said.times,
        )
