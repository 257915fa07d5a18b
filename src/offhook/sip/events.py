"""What the user agent tells its owner.

A session is one INVITE dialog with all that happens in it, named by `session` (an id of ours, never the Call-ID).
Bodies of offer/answer are opaque text here: SDP is the business of the media engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from offhook.sip.fields import Reason
from offhook.sip.message import Request, Response

# The way to the server


@dataclass(frozen=True, slots=True)
class ServerReached:
    """The transport is open; registration follows."""

    url: str


@dataclass(frozen=True, slots=True)
class ServerLost:
    """The transport is gone or cannot be opened; it is tried again. Told at each failure."""

    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A REGISTER got 200. Told for each one, so also for refreshes; `expires` in seconds as granted."""

    expires: int


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """A REGISTER was refused or got no answer.

    `final`: the credentials were refused, it is not tried again until `register` is called.
    """

    status: int
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The un-REGISTER was answered, or the time for it ran out."""


# Sessions


class End(Enum):
    """How a session ended."""

    BYE = "bye"
    """An established session ended by BYE (of either side)."""
    CANCEL = "cancel"
    """An unanswered session was given up by its caller."""
    REFUSED = "refused"
    """The INVITE got a final answer of 300 or more (`status`, `phrase`)."""
    TIMEOUT = "timeout"
    """No answer came: to the INVITE (408), or no ACK for our 200."""
    LOST = "lost"
    """The transport failed, or the peer does not know the dialog any more (481, 408)."""
    DISOWNED = "disowned"
    """By us: another session took its place, or the peer has forgotten it."""


@dataclass(frozen=True, slots=True)
class InviteReceived:
    """A new call. 100 has been sent; the owner rings, accepts or rejects."""

    session: str
    request: Request
    offer: str | None = field(repr=False)
    """None: the caller wants our offer in the 200 (then give one to `accept`)."""
    replaces: str | None = None
    """The session that this call is to take the place of (RFC 3891): `accept` ends it."""


@dataclass(frozen=True, slots=True)
class InviteSent:
    """The INVITE has left, for the first time (not repeated after a challenge)."""

    session: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional response to our INVITE, 100 included."""

    session: str
    status: int
    response: Response
    fork: str = field(default="", compare=False)
    """Which of the branches of a forked INVITE (the peer's tag); empty where it makes no dialog."""


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The answer to our last offer; `early` when it came in a provisional response.

    Told again for the 2xx only where its body differs from the early one.
    """

    session: str
    answer: str = field(repr=False)
    early: bool = False
    fork: str = field(default="", compare=False)
    """Whose answer to our INVITE it is, as in `Progress`: the last one told holds."""


@dataclass(frozen=True, slots=True)
class Established:
    """Caller: the 2xx came and ACK is out (`response` is the 2xx). Called party: the ACK came (`response` is None)."""

    session: str
    response: Response | None


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """A re-INVITE (or UPDATE) brings an offer; the owner gives `answer` or `refuse`.

    `offer` None: a re-INVITE without body; the owner gives its offer by `answer`, the peer's answer comes as
    `AnswerReceived`. A re-INVITE whose o= line is unchanged is answered from the last answer, without this event.
    """

    session: str
    offer: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Renegotiated:
    """Our re-INVITE got a 2xx; its answer came before, as `AnswerReceived`."""

    session: str


@dataclass(frozen=True, slots=True)
class RenegotiationFailed:
    """Our re-INVITE was refused or not answered; the session goes on as before it. 491 has been tried again before."""

    session: str
    status: int
    phrase: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over; told exactly once for each session, and the last word of it."""

    session: str
    end: End
    by_remote: bool
    status: int | None = None
    """Final status of the INVITE where it was refused, cancelled (487) or timed out (408)."""
    phrase: str | None = None
    reasons: tuple[Reason, ...] = ()
    """Reason headers of the BYE, CANCEL or final response (RFC 3326)."""
    message: Request | Response | None = None
    """The message that ended it, where one did."""


@dataclass(frozen=True, slots=True)
class DisplayUpdated:
    """FreeSWITCH tells who the other party is now (INFO message/update_display, or an UPDATE with it)."""

    session: str
    name: str | None = field(repr=False)
    number: str | None = field(repr=False)
    attended: bool
    """`X-FS-Attended-Transfer: true`, or `X-FS-Lazy-Attended-Transfer` if we had not answered yet when it was made: we
    were consulted and now have the customer."""


# Transfers that we asked for


@dataclass(frozen=True, slots=True)
class ReferAccepted:
    """The REFER got a 2xx: the peer tries. Without `subscribed` it will not say what comes of it (RFC 4488)."""

    session: str
    id: str
    status: int
    subscribed: bool = True


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """What the peer says of the call that it was asked to make, in a NOTIFY; it may come before `ReferAccepted`."""

    session: str
    id: str
    status: int
    phrase: str
    final: bool
    """The outcome: 2xx for success (FreeSWITCH in its stock configuration says that before the target rings)."""
    over: bool
    """The subscription is over: nothing more will come."""


@dataclass(frozen=True, slots=True)
class ReferFailed:
    """The REFER was refused, or not answered (408, 503); the session goes on.

    Without `final` nothing came: the peer may have it, and what comes of it is told yet.
    """

    session: str
    id: str
    status: int
    phrase: str
    final: bool = True


@dataclass(frozen=True, slots=True)
class ReferExpired:
    """No news of the outcome came, and none is awaited any more: time is up, or the session or subscription is over."""

    session: str
    id: str


# Other requests


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A request that is neither INVITE, ACK, CANCEL, BYE nor PRACK.

    With `answered` the user agent has answered it already (200 to INFO, NOTIFY, MESSAGE, OPTIONS); else the owner must
    call `respond(key, ...)`.
    """

    key: str
    flow: str
    request: Request
    session: str | None
    answered: bool


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """The final outcome of a request that the owner sent (`info`, `options`, `request`).

    408 and 503 also where no answer came.
    """

    id: str
    session: str | None
    status: int
    phrase: str
    response: Response | None


SipEvent = (
    ServerReached
    | ServerLost
    | Registered
    | RegistrationFailed
    | Unregistered
    | InviteReceived
    | InviteSent
    | Progress
    | AnswerReceived
    | Established
    | OfferReceived
    | Renegotiated
    | RenegotiationFailed
    | SessionEnded
    | DisplayUpdated
    | ReferAccepted
    | ReferProgress
    | ReferFailed
    | ReferExpired
    | RequestReceived
    | RequestAnswered
)
