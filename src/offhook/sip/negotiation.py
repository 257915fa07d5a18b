"""Offer and answer of one session (RFC 3264, RFC 6337): who has to speak next, and what holds when an offer is refused.

Bodies are opaque but for one thing: the o= line says whether a peer's offer is the one already answered.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from offhook.errors import StateError


class State(Enum):
    FRESH = "nothing offered"
    SENT = "first offer sent"
    RECEIVED = "first offer received"
    AGREED = "agreed"
    SENT_AGAIN = "new offer sent"
    RECEIVED_AGAIN = "new offer received"


class Input(Enum):
    SEND_OFFER = "we offer"
    RECEIVE_OFFER = "peer offers"
    SEND_ANSWER = "we answer"
    RECEIVE_ANSWER = "peer answers"
    ROLL_BACK = "offer refused"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.FRESH, Input.SEND_OFFER): State.SENT,
    (State.FRESH, Input.RECEIVE_OFFER): State.RECEIVED,
    (State.SENT, Input.RECEIVE_ANSWER): State.AGREED,
    (State.SENT, Input.ROLL_BACK): State.FRESH,
    (State.RECEIVED, Input.SEND_ANSWER): State.AGREED,
    (State.RECEIVED, Input.ROLL_BACK): State.FRESH,
    (State.AGREED, Input.SEND_OFFER): State.SENT_AGAIN,
    (State.AGREED, Input.RECEIVE_OFFER): State.RECEIVED_AGAIN,
    (State.SENT_AGAIN, Input.RECEIVE_ANSWER): State.AGREED,
    (State.SENT_AGAIN, Input.ROLL_BACK): State.AGREED,
    (State.RECEIVED_AGAIN, Input.SEND_ANSWER): State.AGREED,
    (State.RECEIVED_AGAIN, Input.ROLL_BACK): State.AGREED,
}


def origin(sdp: str) -> str | None:
    """The o= line of a session description; two descriptions with the same one are the same (RFC 4566 5.2)."""
    for line in sdp.splitlines():
        if line.startswith("o="):
            return line.strip()
    return None


class Negotiation:
    """`local` and `remote` are what holds: an offer that is not answered yet has changed nothing."""

    __slots__ = ("state", "local", "remote", "_offer", "_answered")

    def __init__(self) -> None:
        self.state = State.FRESH
        self.local: str | None = None
        self.remote: str | None = None
        self._offer: str | None = None
        self._answered: str | None = None

    def __repr__(self) -> str:
        return f"Negotiation({self.state.value})"

    @property
    def open(self) -> bool:
        """Whether an offer, of either side, awaits its answer."""
        return self.state not in (State.FRESH, State.AGREED)

    @property
    def ours_open(self) -> bool:
        return self.state in (State.SENT, State.SENT_AGAIN)

    def can(self, given: Input) -> bool:
        return (self.state, given) in TRANSITIONS

    def send_offer(self, sdp: str) -> None:
        """We offer. StateError while another offer is open."""
        self._step(Input.SEND_OFFER)
        self._offer = sdp

    def receive_offer(self, sdp: str) -> None:
        """The peer offers. StateError while another offer is open (glare: answer 491)."""
        self._step(Input.RECEIVE_OFFER)
        self._offer = sdp

    def send_answer(self, sdp: str) -> None:
        self._step(Input.SEND_ANSWER)
        self.local, self.remote, self._offer = sdp, self._offer, None
        self._answered = origin(self.remote or "")

    def receive_answer(self, sdp: str) -> None:
        self._step(Input.RECEIVE_ANSWER)
        self.local, self.remote, self._offer = self._offer, sdp, None
        # Our description was made as an offer (a=setup:actpass): it is no answer to anything.
        self._answered = None

    def roll_back(self) -> None:
        """The open offer was refused: what held before it holds again. Without an open offer nothing happens."""
        if self.open:
            self._step(Input.ROLL_BACK)
            self._offer = None

    def known_answer(self, offer: str) -> str | None:
        """Our answer to this very offer, where it is the one answered last (a session refresh)."""
        if self._answered is not None and origin(offer) == self._answered:
            return self.local
        return None

    def copy(self) -> Negotiation:
        """The same, for another branch of a forked INVITE."""
        other = Negotiation()
        other.state, other.local, other.remote = self.state, self.local, self.remote
        other._offer, other._answered = self._offer, self._answered
        return other

    def snapshot(self) -> dict[str, Any]:
        """What holds, as JSON."""
        return {"local": self.local, "remote": self.remote, "answered": self._answered}

    @classmethod
    def restore(cls, snapshot: dict[str, Any]) -> Negotiation:
        restored = cls()
        restored.local = snapshot["local"]
        restored.remote = snapshot["remote"]
        restored._answered = snapshot["answered"]
        restored.state = State.AGREED if restored.remote is not None else State.FRESH
        return restored

    def _step(self, given: Input) -> None:
        try:
            self.state = TRANSITIONS[self.state, given]
        except KeyError:
            raise StateError(f"offer/answer: {given.value} while {self.state.value}") from None
