"""An agent asks whoever a queue gives; while it waits there is nobody to transfer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("14 makeConsultQueue")


async def test_waits_then_talks(alice: Seat, bob: Seat, carol: Seat, connect: Connect, server: Any) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsultQueue", numberToTransfer="99887766", queue="support", queueType="NAME")
    await alice.told("dialogState", state="HELD", id=hers)
    consult = (await alice.told("ConsultCall", state="INITIATING"))["id"]
    await alice.told("ConsultCall", state="INITIATED", id=consult)
    ringing = await bob.told("ConsultCall", state="ALERTING", timeout=20)
    if server.name != "asterisk":  # its queue rings, as a colleague does: a consult that rings may be transferred to
        assert (await alice.attempt("consultTransfer"))["status"] == "failed"
        await alice.expect("Error", type="invalidState")
    await alice.quiet("ConsultCall", state="ACTIVE")
    await bob.do("answerCall", dialogId=ringing["id"])
    await alice.told("ConsultCall", state="ACTIVE", id=consult)
    await alice.hears(bob)
    await bob.hears(alice)
    await carol.hears()
    await alice.do("releaseCall", dialogId=consult)
    await alice.told("ConsultCall", state="DROPPED", id=consult)
    await alice.do("retrieveCall", dialogId=hers)
    await carol.hears(alice)
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)


async def test_whoever_took_it_gets_the_customer(
    alice: Seat, bob: Seat, carol: Seat, connect: Connect, server: Any
) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsultQueue", numberToTransfer="99887766", queue="support", queueType="NAME")
    his = await bob.answer(event="ConsultCall")
    await alice.told("ConsultCall", state="ACTIVE")
    await alice.hears(bob)
    await alice.do("consultTransfer")
    await alice.told("dialogState", state="DROPPED", id=hers, callEndReason="ATTENDED_TRANSFER")
    plain = server.name == "asterisk"  # it tells nobody who took over
    if not plain:
        his = await bob.told("dialogState", state="ACTIVE", callType="CONSULT_TRANSFER")
    await carol.hears(bob)
    await bob.hears(carol)
    await carol.do("releaseCall", dialogId=customer)
    await bob.told("ConsultCall" if plain else "dialogState", state="DROPPED", id=his["id"])
