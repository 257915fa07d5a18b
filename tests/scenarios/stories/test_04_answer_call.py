"""An agent answers; answering what does not ring is an invalidState."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat

pytestmark = pytest.mark.story("04 answerCall")


async def test_answered_with_audio(alice: Seat, bob: Seat) -> None:
    hers = await alice.dial("1001")
    ringing = await bob.told("newInboundCall", state="ALERTING")
    assert ringing["participants"][0]["actions"]["action"] == ["ANSWER"]
    await bob.do("answerCall", dialogId=ringing["id"], answerCalltype="audio")
    active = await bob.told("dialogState", state="ACTIVE", id=ringing["id"])
    assert (active["isCallEnded"], active["callType"]) == (0, "OTHER_IN")
    await bob.hears(alice)
    assert (await bob.attempt("answerCall", dialogId=ringing["id"]))["status"] == "failed"
    await bob.expect("Error", type="invalidState", dialogId=ringing["id"])
    await alice.do("releaseCall", dialogId=hers)
    await bob.told("dialogState", state="DROPPED", id=ringing["id"])
