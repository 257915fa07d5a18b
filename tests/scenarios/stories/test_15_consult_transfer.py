"""After a consult the colleague takes the customer over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("15 consultTransfer")


async def test_taken_over(alice: Seat, bob: Seat, carol: Seat, connect: Connect, server: Any, history: Any) -> None:
    plain = server.name == "asterisk"  # it passes no X-Calltype on, and tells nobody who took over
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001")
    his = await bob.answer(event="newInboundCall" if plain else "ConsultCall")
    consult = (await alice.told("ConsultCall", state="ACTIVE"))["id"]
    await alice.hears(bob)
    await bob.hears(alice)
    await alice.do("consultTransfer")
    for event, dialog in (("ConsultCall", consult), ("dialogState", hers)):
        await alice.told(event, state="DROPPED", id=dialog, callEndReason="ATTENDED_TRANSFER", isCallEnded=0)
    if not plain:
        await bob.told("ConsultCall", state="DROPPED", callEndReason="ATTENDED_TRANSFER", isCallEnded=0)
        taken = await bob.told("dialogState", state="ACTIVE", callType="CONSULT_TRANSFER", customerNumber="1002")
        his = taken
        assert server.dialect == "efcx" or taken["id"] == hers  # of efcx: the id the server names
    await carol.hears(bob)
    await bob.hears(carol)
    await alice.hears()
    await carol.do("releaseCall", dialogId=customer)
    await bob.told("dialogState", state="DROPPED", id=his["id"])
    await alice.quiet("Error")


async def test_nobody_was_asked(alice: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    assert (await alice.attempt("consultTransfer", dialogId=hers))["status"] == "failed"
    await alice.expect("Error", type="invalidState")
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)
