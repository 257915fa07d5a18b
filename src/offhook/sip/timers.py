"""Every duration that the machines of this folder use, in seconds: a frozen value given at construction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds. The defaults are those of the RFCs, and what was measured with FreeSWITCH."""

    t1: float = 0.5
    """Round trip estimate (RFC 3261 17.1.1.1)."""
    t2: float = 4.0
    """Longest interval of retransmissions other than INVITEs'."""
    t4: float = 5.0
    """How long a message stays in the network."""
    d: float = 32.0
    """Timer D: how long refusals of an INVITE are acknowledged again, where the path may lose them (17.1.1.2)."""

    ring_timeout: float = 180.0
    """An INVITE that is not finally answered within this is given up: CANCEL by the caller, 480 by the called party."""
    orphan_wait: float = 300.0
    """How long a BYE that found no flow waits for one; FreeSWITCH ends a leg without media by itself after 300 s."""

    refresh_from: float = 0.85
    refresh_to: float = 0.90
    """A registration is refreshed at a random point between these shares of the time granted."""
    longest_expires: int = 86_400
    """No Min-Expires beyond this is obeyed."""
    register: float = 8.0
    """A REGISTER without an answer for this long means that the server is not to be had: the next one is tried."""
    leave: float = 2.0
    """The most that un-registering may take."""

    backoff: float = 0.5
    """First pause before something is tried again; doubled each time, with jitter (half to whole of it)."""
    backoff_limit: float = 30.0
    connect: float = 5.0
    """The most that opening a flow may take."""
    silence: float = 20.0
    """A flow on which nothing came for this long is probed (FreeSWITCH does not answer CRLF, but a WebSocket ping)."""
    probe: float = 5.0
    """A probe that is not answered within this means that the flow is dead."""

    referral: float = 40.0
    """How long after the 2xx to a REFER, or the last NOTIFY, news of it are awaited (contract, `SST`)."""

    session_refresh: float = 40.0
    """Pause between the refreshes of a session that we keep to ourselves (measured: FreeSWITCH then sends none)."""
    session_interval: int = 120
    """Session-Expires that we ask for (RFC 4028)."""
    shortest_session: int = 90
    """Min-SE of RFC 4028 4."""
    session_overdue: float = 0.9
    """Share of the interval after which a session that the peer did not refresh is ended (FreeSWITCH: 81 of 90 s)."""

    @property
    def patience(self) -> float:
        """64*T1: timers B, F, H, L and M, and what else waits for a peer that may be retransmitting."""
        return 64 * self.t1

    def pause(self, tries: int, fraction: float) -> float:
        """How long to wait before try number `tries` (from 0) is followed by another; `fraction` is a random [0, 1)."""
        longest = min(self.backoff_limit, self.backoff * 2.0 ** min(tries, 30))
        return longest * (0.5 + 0.5 * fraction)
