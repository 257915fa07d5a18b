"""Who is registered where. One registration a user: a new one replaces the old one silently (trace 01e).

A registration dies with the WebSocket that it came over; calls do not (trace 22). One that came over UDP or TCP stays
until it expires (measured).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from offhook.clock import Now, Timers
from offhook.sip.flow import FlowOpened

GRACE_SECONDS = 60
"""So long after it has expired FreeSWITCH keeps a registration."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A registration: requests for `user` go to `uri`, over `flow`."""

    user: str
    uri: str = field(repr=False)
    flow: str
    call_id: str = field(repr=False)


class Registrar:
    """The registrations, and the connections they hang on."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._bindings: dict[str, Binding] = {}
        self._flows: dict[str, FlowOpened] = {}

    def __len__(self) -> int:
        return len(self._bindings)

    def opened(self, flow: FlowOpened) -> None:
        self._flows[flow.flow] = flow

    def closed(self, flow: str) -> None:
        """A connection is gone, and with a WebSocket the registrations on it."""
        if self.moves(flow):
            del self._flows[flow]
            return
        self._flows.pop(flow, None)
        for user in [user for user, binding in self._bindings.items() if binding.flow == flow]:
            self.remove(user)

    def is_open(self, flow: str) -> bool:
        return flow in self._flows

    def moves(self, flow: str) -> bool:
        """Whether the client there is where its Contact says, and not where its connection is: over UDP and TCP."""
        return flow in self._flows and self._flows[flow].transport in ("UDP", "TCP")

    def loses(self, flow: str) -> bool:
        """Whether messages may get lost there, so that requests come several times."""
        return flow in self._flows and self._flows[flow].transport == "UDP"

    def remote(self, flow: str) -> str:
        """`host:port` at the other end of an open flow."""
        return self._flows[flow].remote

    def binding(self, user: str) -> Binding | None:
        return self._bindings.get(user)

    def register(self, binding: Binding, seconds: int, now: Now) -> bool:
        """Register, or refresh; True when it is a first registration: of another Call-ID, or after an end."""
        known = self._bindings.get(binding.user)
        self._bindings[binding.user] = binding
        self._timers.set(self, binding.user, now.monotonic + seconds + GRACE_SECONDS)
        return known is None or known.call_id != binding.call_id

    def remove(self, user: str) -> None:
        """No longer registered."""
        self._bindings.pop(user, None)
        self._timers.cancel(self, user)

    def handle_timer(self, timer: str, now: Now) -> None:
        """A registration was not refreshed."""
        self._bindings.pop(timer, None)
