"""An agent who is no supervisor cannot listen: by no command and no number here, and not by going round us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from offhook.testing.rogue import Rogue

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat, Seats

pytestmark = pytest.mark.story("authorisation")


NUMBERS = ("*441000", "%2A441000", "*44 1000", "*441000@127.0.0.1", "sip:*441000")


async def in_a_call(alice: Seat, carol: Seat, connect: Connect) -> str:
    _, hers = await connect(carol, alice)
    return hers


async def test_at_the_gateway(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    await in_a_call(alice, carol, connect)
    given = {"calledNumber": "1000", "Destination_Number": "1000", "callType": "audio", "service_Identifier": "1000"}
    refused = await bob.attempt("silentMonitor", **given)
    assert (refused["status"], refused["error"]["code"]) == ("failed", "not-allowed")
    for number in NUMBERS:
        for action in ("makeCall", "makeOBCall"):
            called = {"calledNumber": number, "Destination_Number": "1000", "callType": "audio"}
            assert (await bob.attempt(action, **called))["status"] == "failed", number
    own = await bob.dial("9196")
    await bob.told("dialogState", state="ACTIVE", id=own)
    await bob.hears(bob)
    for number in NUMBERS:
        assert (await bob.attempt("SST", dialogId=own, numberToTransfer=number))["status"] == "failed"
        assert (await bob.attempt("makeConsult", dialogId=own, numberToConsult=number))["status"] == "failed"
        queue = {"numberToTransfer": number, "queue": "support", "queueType": "NAME"}
        assert (await bob.attempt("SST_Queue", dialogId=own, **queue))["status"] == "failed"
        assert (await bob.attempt("makeConsultQueue", dialogId=own, **queue))["status"] == "failed"
    for action in ("whisper", "bargeIn"):
        assert (await bob.attempt(action, dialogId=own))["status"] == "failed"
    assert not [request for request in bob.requests("INVITE", sent=True) if "*44" in request.uri]
    assert {row["outcome"] for row in bob.audited()} == {"not-allowed", "monitoring-number"}
    await alice.ears.keep_hearing(carol.hz, seconds=1)


async def test_at_the_server(alice: Seat, carol: Seat, sit: Seats, connect: Connect) -> None:
    """A gateway that takes everybody for a supervisor: so does who needs none."""
    await in_a_call(alice, carol, connect)
    bob = await sit("1001", supervisor=("1001",))
    given = {"calledNumber": "1000", "Destination_Number": "1000", "callType": "audio", "service_Identifier": "1000"}
    await bob.send("silentMonitor", **given)
    await bob.told("dialogState", state="DROPPED")
    await bob.expect("Error", type="generalError")
    assert bob.requests("INVITE", sent=True)[-1].headers.get("X-Calltype") == "MONITORING"
    await bob.hears()


async def test_with_headers_and_words_of_its_own(server: Any, alice: Seat, carol: Seat, connect: Connect) -> None:
    """SIP by hand: headers that claim the role, another From, REFER there, and words on a leg that does not listen."""
    await in_a_call(alice, carol, connect)
    async with Rogue(server.ws, server.domain, "1001", "1234") as rogue:
        claims = [("X-Calltype", "MONITORING"), ("X-offhook_role", "supervisor"), ("X-Offhook-Role", "supervisor")]
        claims += [("P-Asserted-Identity", "<sip:1009@127.0.0.1>"), ("Remote-Party-ID", "<sip:1009@127.0.0.1>")]
        assert await rogue.invite("*441000", claims) >= 400
        assert await rogue.invite("*441000", claims, from_user="1009") >= 400
        for number in ("779", "881000"):
            assert await rogue.invite(number, claims) >= 400
        assert await rogue.invite("9196", []) == 200
        if server.name in ("switch", "freeswitch"):
            for word in ("BARGE", "WHISPER"):
                said = await rogue.word({"event": word, "id": f"w{word}", "on": True})
                assert said["event"] in ("FAILED", "BARGE_FAILED") and said["reasonCode"] == "NOT_ALLOWED"
    await alice.ears.keep_hearing(carol.hz, seconds=1)
