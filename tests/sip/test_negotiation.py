from __future__ import annotations

import json

import pytest

from offhook.errors import StateError
from offhook.sip.negotiation import TRANSITIONS, Input, Negotiation, State, origin

A, B, C = ("v=0\r\no=- 1 1 IN IP4 x\r\n", "v=0\r\no=- 2 1 IN IP4 x\r\n", "v=0\r\no=- 1 2 IN IP4 x\r\n")


def agreed(*, ours: bool) -> Negotiation:
    negotiation = Negotiation()
    if ours:
        negotiation.send_offer(A)
        negotiation.receive_answer(B)
    else:
        negotiation.receive_offer(B)
        negotiation.send_answer(A)
    return negotiation


@pytest.mark.parametrize("ours", [True, False])
def test_what_was_agreed_holds_until_the_next_answer(ours: bool) -> None:
    negotiation = agreed(ours=ours)
    assert (negotiation.local, negotiation.remote, negotiation.open) == (A, B, False)
    negotiation.send_offer(C)
    assert (negotiation.local, negotiation.remote, negotiation.ours_open) == (A, B, True)
    negotiation.roll_back()
    assert (negotiation.local, negotiation.state) == (A, State.AGREED)
    negotiation.receive_offer(C)
    negotiation.roll_back()
    assert (negotiation.local, negotiation.remote, negotiation.state) == (A, B, State.AGREED)
    negotiation.roll_back()


def test_a_first_offer_that_is_refused_leaves_nothing() -> None:
    negotiation = Negotiation()
    negotiation.send_offer(A)
    negotiation.roll_back()
    assert (negotiation.state, negotiation.local) == (State.FRESH, None)
    negotiation.receive_offer(B)
    negotiation.roll_back()
    assert (negotiation.state, negotiation.remote) == (State.FRESH, None)


def test_two_offers_at_once_are_glare() -> None:
    negotiation = agreed(ours=True)
    negotiation.send_offer(C)
    assert not negotiation.can(Input.RECEIVE_OFFER)
    with pytest.raises(StateError):
        negotiation.receive_offer(C)
    with pytest.raises(StateError):
        negotiation.send_offer(C)
    with pytest.raises(StateError):
        agreed(ours=False).send_answer(C)


def test_the_offer_answered_last_has_a_known_answer() -> None:
    negotiation = agreed(ours=False)
    assert negotiation.known_answer(B.replace("IP4 x", "IP4 x") + "m=audio 1\r\n") == A
    assert negotiation.known_answer(C) is None
    negotiation.send_offer(C)
    negotiation.receive_answer(B)
    assert negotiation.known_answer(B) is None, "what we offered ourselves is no answer"
    assert agreed(ours=True).known_answer(B) is None


def test_an_origin_that_is_missing_is_never_the_same() -> None:
    negotiation = Negotiation()
    negotiation.receive_offer("v=0\r\n")
    negotiation.send_answer(A)
    assert origin("v=0\r\n") is None
    assert negotiation.known_answer("v=0\r\n") is None


def test_snapshot_forgets_the_open_offer() -> None:
    negotiation = agreed(ours=False)
    negotiation.receive_offer(C)
    restored = Negotiation.restore(json.loads(json.dumps(negotiation.snapshot())))
    assert (restored.local, restored.remote, restored.state) == (A, B, State.AGREED)
    assert restored.known_answer(B) == A
    assert Negotiation.restore(Negotiation().snapshot()).state is State.FRESH


def test_the_description_stays_out_of_the_repr() -> None:
    assert "IN IP4" not in repr(agreed(ours=True))


def test_each_open_state_can_be_rolled_back() -> None:
    open_states = {state for state in State if state not in (State.FRESH, State.AGREED)}
    assert {state for state, given in TRANSITIONS if given is Input.ROLL_BACK} == open_states
