"""A call whose connection was lost, on its way back: where it stands, and by which way it may come back.

FreeSWITCH takes requests within a dialog over any WebSocket, but sends its own to the one alone that carried the call's
beginning (measured: shared/freeswitch/recovery.md): there only another dialog, by INVITE with Replaces, brings a call
back whole. Over UDP it follows the new Contact of a re-INVITE, as RFC 3261 §12.2 has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from offhook.errors import RemoteError
from offhook.sip.events import SessionEnded
from offhook.sip.message import Response


class State(Enum):
    LOST = "lost"
    """There is no connection."""
    ASKING = "asking"
    """OPTIONS in the old dialog is out: does the server still have the call?"""
    OFFERING = "offering"
    """The engine makes another media session; the old one goes on."""
    CALLING = "calling"
    """The INVITE with Replaces is out."""
    REINVITING = "re-inviting"
    SETTLING = "settling"
    """It was taken over, and the server joins the new leg with the other side."""
    HOLDING = "holding"
    """It is being held again."""
    PAUSING = "pausing"
    OVER = "over"


class Input(Enum):
    LOST = "connection lost"
    BACK = "connection back"
    REPLACE = "alive: by Replaces"
    REINVITE = "alive: by re-INVITE"
    WAIT = "alive, not to be touched"
    GONE = "the server does not have it"
    FOLLOW = "gone: maybe by an attempt of ours"
    SILENT = "no clear answer"
    LATE = "deadline"
    MADE = "media made"
    UNMADE = "no media"
    TAKEN = "2xx"
    REFUSED = "refused"
    DONE = "done"
    RETRY = "pause over"


class Way(Enum):
    """How a call that lives comes back."""

    REPLACE = "INVITE with Replaces"
    REINVITE = "re-INVITE"


GONE = (404, 481)
"""Answers to an OPTIONS in a dialog that say that there is no such dialog. That none came says nothing."""
NO_TAG = "0"
"""For a tag that is not known. FreeSWITCH goes by the Call-ID alone (measured: D05)."""
MOST_ATTEMPTS = 4
NOBODY = (*GONE, 480)
"""Answers to an INVITE with Replaces that say so: FreeSWITCH goes on with the number, which is in no dialplan (D12)."""
RELIABLE = ("WS", "WSS", "TCP", "TLS")
FREESWITCH = ("freeswitch", "offhook")
"""What it calls itself, by itself and with conf/freeswitch."""
ITS_CONTACT = "mod_sofia@"


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of the server that has the call."""

    transport: str
    """Of our connection: WS, WSS, UDP, TCP or TLS."""
    freeswitch: bool
    replaces: bool

    @classmethod
    def read(cls, transport: str, target: str, response: Response) -> Peer:
        """From the answer to an OPTIONS in a dialog with `target`; FreeSWITCH may be told to hide its name."""
        named = (response.headers.get("Server") or response.headers.get("User-Agent") or "").lower()
        try:
            # Who does not say what it can is asked, not guessed at.
            replaces = "Supported" not in response.headers or "replaces" in response.supported
        except RemoteError:
            replaces = True
        return cls(transport, any(name in named for name in FREESWITCH) or ITS_CONTACT in target, replaces)


def ways(peer: Peer, *, silent: bool) -> tuple[Way, ...]:
    """The ways back, the best first. `silent`: there is no audio, so that half a way is better than none."""
    if not peer.replaces:
        return (Way.REINVITE,)
    if peer.freeswitch and peer.transport in RELIABLE:
        # After a re-INVITE alone what FreeSWITCH asks for, even its BYE, goes to the connection that is lost.
        return (Way.REPLACE, Way.REINVITE) if silent else (Way.REPLACE,)
    return (Way.REINVITE, Way.REPLACE)


@dataclass(slots=True, eq=False)
class Recovery:
    """One call on its way back."""

    serial: str
    state: State = State.LOST
    asked: str | None = None
    """The OPTIONS that is out."""
    way: Way | None = None
    refused: set[Way] = field(default_factory=set)
    """Ways that did not work since the connection is back."""
    tries: int = 0
    media: str | None = None
    """The new media session, until it is the call's."""
    session: str | None = None
    """The new SIP session, until it is the call's."""
    attempts: list[str] = field(default_factory=list)
    """Call-IDs of INVITEs with Replaces of which is not known what came of them, the last one first: where the old
    dialog is gone the call may live under one of them."""
    following: bool = False
    """The old dialog is gone; the place of the first of `attempts` is asked for."""
    ended: SessionEnded | None = None
    """The old dialog was ended while it was being replaced: by that, or by the other side."""
    announce: bool = False
    """The outage was told: so is that the call is back."""
    complained: bool = False
    """That it does not come back was told."""

    def tried(self, call_id: str) -> None:
        """An INVITE with Replaces is out."""
        self.attempts.insert(0, call_id)
        del self.attempts[MOST_ATTEMPTS:]

    def refuse(self, status: int) -> None:
        """The server said no to the last attempt, so that nothing lives under it; nor under the one that it followed,
        where the server does not know that."""
        del self.attempts[: 2 if self.following and status in NOBODY else 1]

    @property
    def blocks(self) -> bool:
        """Whether nothing else may be sent in the call."""
        return self.state not in (State.REINVITING, State.HOLDING)
