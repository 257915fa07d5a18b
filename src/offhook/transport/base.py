"""What all transports share: the shape of a flow port, the limits, the trace tap.

A transport takes `FlowOutput` by `perform` and tells `FlowInput` through the callable it was given, on the loop it runs
on. For each `OpenFlow` it tells exactly one `FlowOpened` or `FlowFailed`, for each `FlowOpened` exactly one
`FlowClosed`, and nothing of a flow before the one or after the other. What is asked of a flow that is gone is dropped:
its end was told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from offhook.sip.flow import FlowInput, FlowOutput

Deliver = Callable[[FlowInput], None]
"""Where a transport tells what came and what broke. Returns at once and does not raise."""

Trace = Callable[[str, bool, bytes], None]
"""A tap for every message: the flow, whether we sent it, its octets. Returns at once and does not raise."""

MAX_MESSAGE = 65_535
"""Octets of one SIP message, both ways. A longer WebSocket message kills the whole FreeSWITCH (1.11.1, measured)."""

MAX_QUEUED = 262_144
"""Octets that may wait to be sent on one flow; a peer that lets more pile up is cut off."""

CLOSE_TIMEOUT = 1.0
"""Seconds that a flow has to send what is queued and to end in good order; then it is cut off."""


class FlowPort(Protocol):
    """A transport as the driver sees it."""

    def perform(self, output: FlowOutput) -> None:
        """Take an output and return at once. Raises StateError for what no flow can do (open a name twice)."""
        ...

    async def close(self) -> None:
        """Close every flow, telling so; within about `CLOSE_TIMEOUT`. No task and no socket is left behind."""
        ...


def address(name: object) -> str:
    """`host:port` of what a socket calls itself or its peer; IPv6 in brackets, empty where it is not known."""
    if not isinstance(name, tuple) or len(name) < 2:
        return ""
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def is_keep_alive(data: bytes) -> bool:
    """Whether that is no message but line ends (RFC 5626 §4.4.1) or nothing at all."""
    return not data.strip(b"\r\n")
