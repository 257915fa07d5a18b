"""The main story: two agents log in, one calls, the other answers, they talk, mute, hold, retrieve, and hang up."""

from __future__ import annotations

from typing import Any

from offhook.testing.desk import Desk, dialogs


def dialog_of(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["response"]["dialog"]
    return found


async def connect(alice: Desk, bob: Desk) -> tuple[str, str]:
    """Alice calls Bob, Bob answers; their dialog ids."""
    await alice.send("makeCall", calledNumber="1001", Destination_Number="1001", callType="audio")
    dialling = dialog_of(await alice.expect("outboundDialing", state="INITIATING"))
    ringing = dialog_of(await bob.expect("newInboundCall", state="ALERTING"))
    await alice.expect("outboundDialing", state="INITIATED")
    await bob.do("answerCall", dialogId=ringing["id"])
    await bob.expect("dialogState", state="ACTIVE")
    await alice.expect("dialogState", state="ACTIVE")
    await alice.talking(dialling["id"])
    await bob.talking(ringing["id"])
    return dialling["id"], ringing["id"]


async def test_call_answer_talk_release(alice: Desk, bob: Desk) -> None:
    hers, his = await connect(alice, bob)
    assert hers != his
    await alice.do("releaseCall", dialogId=hers)
    ended = dialog_of(await alice.expect("dialogState", state="DROPPED"))
    assert (ended["isCallEnded"], ended["callEndReason"]) == (1, None)
    ended = dialog_of(await bob.expect("dialogState", state="DROPPED"))
    assert (ended["isCallEnded"], ended["callEndReason"]) == (1, "NORMAL_CLEARING")
    assert dialogs(alice.heard) == [
        ("outboundDialing", "INITIATING"),
        ("outboundDialing", "INITIATED"),
        ("dialogState", "ACTIVE"),
        ("dialogState", "DROPPED"),
    ]
    assert dialogs(bob.heard) == [
        ("newInboundCall", "ALERTING"),
        ("dialogState", "ACTIVE"),
        ("dialogState", "DROPPED"),
    ]


async def test_callee_hangs_up(alice: Desk, bob: Desk) -> None:
    _, his = await connect(alice, bob)
    await bob.do("releaseCall", dialogId=his)
    await bob.expect("dialogState", state="DROPPED", callEndReason=None)
    await alice.expect("dialogState", state="DROPPED", callEndReason="NORMAL_CLEARING", isCallEnded=1)


async def test_who_is_shown(alice: Desk, bob: Desk) -> None:
    await alice.send("makeCall", calledNumber="1001", Destination_Number="5551", callType="audio")
    out = dialog_of(await alice.expect("outboundDialing", state="INITIATING"))
    assert (out["ani"], out["customerNumber"], out["dialedNumber"]) == ("1001", "1001", "1001")
    assert (out["fromAddress"], out["serviceIdentifier"], out["callType"]) == ("1000", "5551", "OUT")
    into = dialog_of(await bob.expect("newInboundCall", state="ALERTING"))
    assert (into["ani"], into["customerNumber"], into["fromAddress"]) == ("1000", "1000", "1000")
    assert (into["dialedNumber"], into["callType"], into["mediaType"]) == ("5551", "OTHER_IN", "audio")
    assert into["participants"][0]["mediaAddress"] == "1001"
    await alice.do("releaseCall", dialogId=out["id"])
    await bob.expect("dialogState", state="DROPPED", callEndReason="ORIGINATOR_CANCEL")


async def test_each_hears_the_other_and_mute_silences(alice: Desk, bob: Desk) -> None:
    hers, his = await connect(alice, bob)

    async def level(desk: Desk, dialog: str, fits: Any) -> float:
        """Ask for statistics until the incoming level is as it should be: levels are means over the last second."""
        for _ in range(400):
            result = await desk.do("getStats", dialogId=dialog)
            heard = result["result"]["audio"]["levelInDb"]
            if heard is not None and fits(heard):
                return float(heard)
        raise AssertionError(f"the level stayed at {heard}")

    assert await level(alice, hers, lambda db: db > -30) > -30
    assert await level(bob, his, lambda db: db > -30) > -30
    await alice.do("mute_call", dialogId=hers)
    muted = dialog_of(await alice.expect("dialogState", state="ACTIVE"))
    assert muted["participants"][0]["mute"] is True
    assert await level(bob, his, lambda db: db < -60) < -60
    await alice.do("unmute_call", dialogId=hers)
    assert dialog_of(await alice.expect("dialogState"))["participants"][0]["mute"] is False
    assert await level(bob, his, lambda db: db > -30) > -30
    await alice.do("releaseCall", dialogId=hers)


async def test_hold_and_retrieve_both_ways(alice: Desk, bob: Desk, server: Any) -> None:
    hers, his = await connect(alice, bob)
    for desk, dialog, user in ((alice, hers, "1000"), (bob, his, "1001")):
        await desk.do("holdCall", dialogId=dialog)
        held = dialog_of(await desk.expect("dialogState", state="HELD"))
        assert held["participants"][0]["actions"]["action"] == ["RETRIEVE", "TRANSFER_SST", "DROP"]
        await server.hold_seen(user, True)
        await desk.do("holdCall", dialogId=dialog)  # asking for the state it is in: done, nothing on the wire
        await desk.do("retrieveCall", dialogId=dialog)
        await desk.expect("dialogState", state="ACTIVE")
        await server.hold_seen(user, False)
    await bob.do("releaseCall", dialogId=his)
    await alice.expect("dialogState", state="DROPPED")


async def test_seq_has_no_gap(alice: Desk, bob: Desk) -> None:
    hers, _ = await connect(alice, bob)
    await alice.do("releaseCall", dialogId=hers)
    await bob.expect("dialogState", state="DROPPED")
    for desk in (alice, bob):
        numbers = [event["seq"] for event in desk.heard if "seq" in event]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len({event["stream"] for event in desk.heard if "stream" in event}) == 1
