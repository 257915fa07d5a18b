"""What goes into the journal and comes back: in a hub with scripted sessions, and in whole gateways on one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from offhook.config import Config
from offhook.cti.agent import Publish
from offhook.cti.commands import MakeCall
from offhook.cti.events import Actions, Dialog, DialogResponse, DialogState, Event, Participant, State
from offhook.cti.records import AgentRecord, StreamRecord, encode_event
from offhook.cti.stream import Persist
from offhook.gateway.app import Gateway
from offhook.gateway.history import LiveCall
from offhook.gateway.interface import (
    ConnectionClosed,
    ConnectionOpened,
    Drain,
    HubOutput,
    Instruct,
    Leave,
    Restore,
    Stopped,
    Superseded,
    Tell,
)
from offhook.gateway.keeping import VERSION, AgentRow, read_agent, read_calls
from offhook.journal.entries import Entry, Keep, Kept, Over, Told
from offhook.ordered import Ordered
from offhook.switch.server import Switch
from offhook.testing.desk import Desk, until


def record(**changes: Any) -> AgentRecord:
    taken = AgentRecord(
        extension="1000",
        owner="p",
        logged_in=True,
        available=True,
        stream=StreamRecord(name="s", seq=7),
        calls=(),
        credentials={"pbx": {"md5": "a" * 32}},
        user_agent={},
    )
    return msgspec.structs.replace(taken, **changes)


def event(state: State, seq: int = 1) -> DialogState:
    own = Participant(
        actions=Actions(()), mediaAddress="1000", mediaAddressType="t", startTime="s", state=state, stateChangeTime="s"
    )
    texts: dict[str, Any] = dict.fromkeys(("fromAddress", "dialedNumber", "dnis", "serviceIdentifier", "ani"), "")
    dialog = Dialog(id="d1", state=state, customerNumber="5000", callType="OUT", participants=(own,), **texts)
    return DialogState(response=DialogResponse(loginId="1000", dialog=dialog), seq=seq, stream="s")


def said(out: Sequence[HubOutput]) -> list[Any]:
    """What came out, whether it waits for the journal or not."""
    return [one for output in out for one in (output.outputs if isinstance(output, Ordered) else (output,))]


def entries(out: Sequence[HubOutput]) -> list[Entry]:
    return [entry for output in out if isinstance(output, Ordered) for entry in output.entries]


def kept(row: AgentRow, *events: Event) -> Kept:
    told = tuple((100.0 + number, encode_event(event)) for number, event in enumerate(events))
    return Kept("1000", "p", 3, msgspec.json.encode(row), told)


@dataclass
class Call:
    """A dialog as far as the hub looks at it."""

    state: State
    id: str = "d1"


# What goes in


def test_without_a_journal_nothing_is_ordered(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    assert session.owner == ""
    session.put(Publish(event("ACTIVE")))
    assert not [output for output in bench.drain() if isinstance(output, Ordered)]


def test_an_event_waits_for_the_record_and_both_are_written(make_bench: Any) -> None:
    bench = make_bench(owner="me")
    session = bench.login("c1")
    assert session.owner == "me" and entries(bench.out) == []
    session.put(Persist("1000", 3, record()), Publish(event("ACTIVE")))
    (ordered,) = bench.drain()
    keep, told = ordered.entries
    assert (keep.extension, keep.owner, keep.epoch) == ("1000", "me", 3)
    assert (told.stream, told.seq, told.wall) == ("s", 1, bench.clock.now().wall)
    assert ordered.key == "1000" and [type(output) for output in ordered.outputs] == [Tell]
    row, tail = read_agent(Kept("1000", "me", 3, keep.record, ((told.wall, told.event),)))
    assert row.agent == record() and row.live["d1"].answered is not None
    assert [held.event for held in tail] == [event("ACTIVE")]


def test_a_call_that_is_over_goes_into_the_history_of_the_next_process(make_bench: Any) -> None:
    bench = make_bench(owner="me")
    session = bench.login("c1")
    session.put(Persist("1000", 0, record()), Publish(event("INITIATING")), Publish(event("DROPPED", 2)))
    over = [entry for entry in entries(bench.drain()) if isinstance(entry, Over)]
    ((tenant, call),) = read_calls([b"rubbish", over[0].call])
    assert (tenant, call.id, call.direction) == ("", "d1", "outbound")
    session.put(Publish(event("ACTIVE", 3)))
    assert not [entry for entry in entries(bench.drain()) if isinstance(entry, Over)]


def test_an_agent_that_is_not_in_the_journal_is_not_taken_out_of_it(make_bench: Any) -> None:
    bench = make_bench(owner="me")
    session = bench.login("c1")
    session.put(Publish(event("ACTIVE")), Persist("1000", 0, None))
    assert entries(bench.drain()) == []
    session.put(Persist("1000", 0, record()))
    session.put(Publish(event("DROPPED")), Persist("1000", 0, None))
    assert [type(entry) for entry in entries(bench.drain())] == [Keep, Told, Keep, Over]


# What comes back


def test_an_agent_comes_back_without_a_desk_and_is_waited_for(make_bench: Any) -> None:
    bench = make_bench(owner="me", grace=30.0)
    row = AgentRow(tenant="", live={"d1": LiveCall("outbound", 5.0, 6.0)}, agent=record())
    bench.give(Restore((kept(row, event("ACTIVE")),), ()))
    (session,) = [made for made in bench.made if made.owner == "me"]
    assert session.told == [("restored", "dialogState")] and session.available
    bench.run(3.0)
    assert not session.available
    bench.login("c1")
    assert session.available and session.told[-1] == ("login", "c1")
    session.put(Publish(event("DROPPED", 2)))
    bench.drain()
    (call,) = bench.hub.history.read("", "1000", 5, None)
    assert (call.direction, call.startedAt) == ("outbound", "1970-01-01T00:00:05.000Z")
    bench.give(ConnectionClosed("c1"))
    bench.run(31.0)
    assert session.told[-1] == ("logout", None)


def test_one_for_whom_nobody_comes_is_logged_out(make_bench: Any) -> None:
    bench = make_bench(owner="me", grace=30.0)
    row = AgentRow(tenant="t", live={}, agent=record(available=False, supervisor=True))
    bench.give(Restore((kept(row),), ()))
    bench.run(31.0)
    assert bench.made[-1].told == [("logout", None)]


def test_one_that_was_logging_out_is_logged_out(make_bench: Any) -> None:
    bench = make_bench(owner="me")
    bench.give(Restore((kept(AgentRow(tenant="", live={}, agent=record(logged_in=False))),), ()))
    assert bench.made[-1].told == [("logout", None)]


def test_one_that_was_turned_away_is_taken_again_with_its_desk(make_bench: Any) -> None:
    bench = make_bench(owner="me")
    bench.give(Restore((kept(AgentRow(tenant="", live={}, agent=record(available=False))),), ()))
    session = bench.made[-1]
    session.available = False
    bench.login("c1")
    assert session.available


@pytest.mark.parametrize(
    "data",
    [
        b"rubbish",
        b"{}",
        msgspec.json.encode(AgentRow(version=VERSION + 1, tenant="", live={}, agent=record())),
        msgspec.json.encode(AgentRow(tenant="", live={}, agent=record(extension="2000"))),
    ],
)
def test_a_record_of_no_use_costs_itself_alone(make_bench: Any, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    bench = make_bench(owner="me")
    good = kept(AgentRow(tenant="", live={}, agent=record()))
    out = bench.give(Restore((Kept("1001", "p", 3, data, ()), good), (b"rubbish",)))
    assert Keep("1001", "p", 3, None) in entries(out)
    assert bench.hub.agents == 1 and bench.made[-1].extension == "1000"
    assert "is of no use" in caplog.text and "1001" not in caplog.text


def test_events_before_one_that_cannot_be_read_are_of_no_use() -> None:
    given = kept(AgentRow(tenant="", live={}, agent=record()), event("ALERTING", 6), event("ACTIVE", 7))
    events = (given.events[0], (1.0, b"rubbish"), given.events[1])
    _, tail = read_agent(Kept("1000", "p", 3, given.record, events))
    assert [held.event.seq for held in tail] == [7]


def test_an_agent_of_another_process_is_let_go(make_bench: Any) -> None:
    bench = make_bench(owner="me")
    session = bench.login("c1")
    session.put(Persist("1000", 3, record()))
    bench.drain()
    assert entries(bench.give(Superseded("1000"))) == []
    assert bench.hub.agents == 0
    bench.give(Superseded("1000"))


# How it ends


def test_who_leaves_ends_only_what_nobody_could_take_over(make_bench: Any) -> None:
    bench = make_bench(owner="me")
    one, two, three = (bench.login(f"c{number}", str(999 + number)) for number in (1, 2, 3))
    for session in (one, two):
        session.put(Persist(session.extension, 0, record()))
    bench.drain()
    one.dialogs, two.dialogs = (Call("ACTIVE"), Call("HELD", "d2")), (Call("ALERTING"),)
    assert Stopped() not in said(bench.give(Leave()))
    assert one.told == [("login", "c1")]
    assert two.told[-1] == ("releaseCall", None)
    assert three.told[-1] == ("logout", None)
    two.dialogs = ()
    two.put(Publish(event("DROPPED")))
    assert Stopped() in said(bench.drain())
    assert Stopped() not in bench.give(ConnectionOpened("late"))


def test_who_drains_takes_nothing_new_and_ends_with_the_last_call(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    session.dialogs = (Call("ACTIVE"),)
    bench.give(Drain())
    assert not session.available and session.told == [("login", "c1")]
    number = {"calledNumber": "1", "Destination_Number": "1", "callType": "audio"}
    (tell, failed) = bench.say("c1", "makeCall", id="x", **number)
    assert tell.message.response.code == failed.message.error.code == "stopping"
    bench.say("c1", "holdCall", dialogId="d1")
    assert session.told[-1] == ("holdCall", "c1")
    bench.give(ConnectionOpened("c2"))
    assert bench.say("c2", "login", extension="1001", password="1")[0].message.response.code == "stopping"
    bench.say("c2", "login", extension="1000", password="1234")  # a desk may come back to its call
    assert session.told[-1] == ("login", "c2") and not session.available
    session.dialogs = ()
    session.put(Publish(event("DROPPED")))
    bench.drain()
    assert session.told[-1] == ("logout", None)
    session.finish()
    assert Stopped() in said(bench.drain())


def test_a_program_begins_no_call_while_it_drains(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    session.dialogs = (Call("ACTIVE"),)
    bench.give(Drain())
    command = MakeCall(calledNumber="1", Destination_Number="1", callType="audio", id="x")
    (tell,) = bench.give(Instruct("1000", "", command))
    assert tell.message.error.code == "stopping" and session.told == [("login", "c1")]


def test_without_a_call_it_has_drained_at_once(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.give(Drain())
    assert session.told[-1] == ("logout", None)


# Whole gateways


async def test_the_next_gateway_goes_on_with_everything(switch: Switch, tmp_path: Path) -> None:
    config = Config(
        listen="127.0.0.1:0", sip=(switch.ws_url,), media="null", journal=str(tmp_path / "journal"), domain="127.0.0.1"
    )
    gateway = Gateway(config)
    await gateway.start()
    async with Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        await desk.do("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
        over = (await desk.expect("dialogState", state="ACTIVE"))["response"]["dialog"]["id"]
        await desk.do("releaseCall", dialogId=over)
        await desk.do("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
        live = (await desk.expect("dialogState", state="ACTIVE"))["response"]["dialog"]["id"]
        await gateway.leave()
        assert await desk.closed() == 1001
        last = [heard for heard in desk.heard if "seq" in heard][-1]
    assert len(switch.channels()) == 1
    second = Gateway(config)
    await second.start()
    async with Desk(second.url) as desk:
        wrong = await desk.attempt("resume", extension="1000", password="no", stream=last["stream"], seq=last["seq"])
        assert wrong["status"] == "failed" and not [heard for heard in desk.heard if "seq" in heard]
    async with Desk(second.url) as desk:
        await desk.do("resume", extension="1000", password="1234", stream=last["stream"], seq=last["seq"] - 2)
        assert [heard["seq"] for heard in desk.heard if "seq" in heard][:2] == [last["seq"] - 1, last["seq"]]

        async def back() -> bool:
            return bool((await desk.attempt("holdCall", dialogId=live))["status"] == "done")

        await until(back, "a call that can be held")
        assert [call.id for call in second.station.hub.history.read("", None, 9, None)] == [over]
        await desk.do("logout")
    assert second.station.health()["journal"] != "failing"  # late it may be: that tells of the machine
    await second.stop()
    assert switch.channels() == () and not switch.registered("1000")
    third = Gateway(config)
    await third.start()
    assert third.station.hub.agents == 0
    assert [call.id for call in third.station.hub.history.read("", None, 9, None)] == [live, over]
    await third.stop()
