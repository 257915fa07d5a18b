"""An agent asks a colleague while the customer waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("13 makeConsult")


async def test_asked_and_back(alice: Seat, bob: Seat, carol: Seat, connect: Connect, history: Any) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001")
    await alice.told("dialogState", state="HELD", id=hers)
    consult = (await alice.told("ConsultCall", state="INITIATING"))["id"]
    invite = alice.requests("INVITE", sent=True)[-1]
    assert invite.headers.get("X-Calltype") == "CONSULT" and invite.headers.get("X-CustomerNumber") == "1002"
    his = await bob.answer(event=seen_as(alice))
    await alice.told("ConsultCall", state="INITIATED", id=consult)
    await alice.told("ConsultCall", state="ACTIVE", id=consult)
    await alice.hears(bob)
    await bob.hears(alice)
    await carol.hears()
    await bob.do("releaseCall", dialogId=his["id"])
    await alice.told("ConsultCall", state="DROPPED", id=consult)
    assert history(alice, hers)[-1] == ("dialogState", "HELD")  # retrieving is the agent's
    await alice.do("retrieveCall", dialogId=hers)
    await carol.hears(alice)
    await alice.hears(carol)
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)


async def test_declined(alice: Seat, bob: Seat, carol: Seat, connect: Connect, history: Any) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001", dialogId=hers)
    ringing = await bob.told(seen_as(alice), state="ALERTING")
    await bob.do("rejectCall", dialogId=ringing["id"])
    await alice.told("ConsultCall", state="DROPPED")
    await alice.expect("Error", type="generalError")
    assert history(alice, hers)[-1] == ("dialogState", "HELD")
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)


async def test_the_customer_leaves_while_it_rings(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001", dialogId=hers)
    ringing = await bob.told(seen_as(alice), state="ALERTING")
    await carol.do("releaseCall", dialogId=customer)
    await bob.told(seen_as(alice, later=True), state="DROPPED", id=ringing["id"])


def seen_as(seat: Any, later: bool = False) -> str:
    """Asterisk passes no X-Calltype on: there the colleague sees an ordinary call."""
    plain = seat.gateway.config.sip[0].endswith("/ws")
    return ("dialogState" if later else "newInboundCall") if plain else "ConsultCall"
