from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from offhook.media.engine import Direction, FromPeer, Mix
from offhook.sip.events import RequestAnswered, RequestReceived
from offhook.switch.words import CONTENT_TYPE, LONGEST_VALUE, MOST_VARIABLES


def monitored(bench: Any) -> tuple[Any, str, Any, str, Any, str]:
    customer, agent, supervisor = (bench.phone(user) for user in ("1000", "1001", "1009"))
    hers = customer.call("1001")
    his = agent.accept()
    theirs = supervisor.call("*441001", offer=supervisor.offer(Direction.RECVONLY))
    return customer, hers, agent, his, supervisor, theirs


def conference(bench: Any) -> tuple[Any, str, Any, str, Any, str]:
    """1000, a customer, and the agents 1001 and 1009."""
    made = monitored(bench)
    made[4].say(made[5], "BARGE")
    return made


def outcome(phone: Any) -> Any:
    return phone.words[-1]


DONE = {"event": "DONE", "id": "1"}


def failed(reason: str) -> dict[str, str]:
    return {"event": "FAILED", "id": "1", "reasonCode": reason}


def test_a_word_is_an_info_and_answered_200(bench: Any) -> None:
    _, _, _, _, supervisor, theirs = monitored(bench)
    supervisor.say(theirs, "WHISPER", on=True)
    assert supervisor.last(RequestAnswered).status == 200
    request = supervisor.last(RequestReceived).request
    assert request.method == "INFO" and request.headers.get("Content-Type") == CONTENT_TYPE
    assert json.loads(request.body) == DONE


def test_whispering_is_heard_by_the_agent_alone(bench: Any) -> None:
    _, _, _, _, supervisor, theirs = monitored(bench)
    a, b, s = (bench.channel(user).uuid for user in ("1000", "1001", "1009"))
    supervisor.say(theirs, "WHISPER", on=True)
    assert outcome(supervisor) == DONE
    assert bench.heard_by(b)[-1] == Mix((a, s)) and bench.heard_by(a)[-1] == FromPeer(b)
    supervisor.say(theirs, "WHISPER", on=False)
    assert outcome(supervisor) == DONE and bench.heard_by(b)[-1] == FromPeer(a)


def test_whispering_outlasts_a_hold_and_ends_with_the_listening(bench: Any) -> None:
    _, _, agent, his, supervisor, theirs = monitored(bench)
    a, b, s = (bench.channel(user).uuid for user in ("1000", "1001", "1009"))
    supervisor.say(theirs, "WHISPER", on=True)
    for direction in (Direction.SENDONLY, Direction.SENDRECV):
        agent.reoffer(his, direction)
        bench.run(1.0)
    assert bench.heard_by(b)[-1] == Mix((a, s))
    supervisor.hang_up(theirs)
    assert bench.heard_by(b)[-1] == FromPeer(a)


def test_barging_in_ends_the_whisper(bench: Any) -> None:
    _, _, _, _, supervisor, theirs = monitored(bench)
    supervisor.say(theirs, "WHISPER", on=True)
    supervisor.say(theirs, "BARGE")
    a, b, s = (bench.channel(user).uuid for user in ("1000", "1001", "1009"))
    assert bench.heard_by(a)[-1] == Mix((b, s)) and bench.heard_by(b)[-1] == Mix((a, s))


def test_a_member_is_dropped(bench: Any) -> None:
    customer, _, agent, _, supervisor, theirs = conference(bench)
    supervisor.say(theirs, "DROP_MEMBER", member="1001")
    assert agent.end.reasons[0].text == "DROPPED_BY_MEMBER" and outcome(supervisor) == DONE
    assert supervisor.words[-2]["reasonCode"] == "MEMBER_LEFT" == customer.words[-1]["reasonCode"]
    assert bench.channel("1000").peer == bench.channel("1009").uuid


def test_dropping_the_customer_ends_all(bench: Any) -> None:
    customer, _, agent, his, supervisor, _ = conference(bench)
    agent.say(his, "DROP_MEMBER", member="1000")
    assert customer.end.reasons[0].text == "DROPPED_BY_MEMBER"
    assert agent.end.reasons[0].text == "CUSTOMER_LEFT" == supervisor.end.reasons[0].text
    assert not bench.node.channels()


@pytest.mark.parametrize(
    ("who", "member", "reason"),
    [("agent", "1005", "NO_SUCH_MEMBER"), ("agent", 1009, "BAD_WORD"), ("customer", "1001", "NOT_ALLOWED")],
)
def test_nobody_is_dropped(bench: Any, who: str, member: Any, reason: str) -> None:
    customer, hers, agent, his, _, _ = conference(bench)
    phone, session = (agent, his) if who == "agent" else (customer, hers)
    phone.say(session, "DROP_MEMBER", member=member)
    assert outcome(phone) == failed(reason) and len(bench.node.channels()) == 3


def test_the_state_of_a_member_is_told_to_all(bench: Any) -> None:
    customer, _, agent, his, supervisor, _ = conference(bench)
    agent.say(his, "MEMBER_STATE", held=False, muted=True)
    for word in (customer.words[-1], agent.words[-2], supervisor.words[-1]):
        assert word["reasonCode"] == "MEMBER_STATE"
        assert word["additionalAttributes"]["members"][1] == {
            "ext": "1001",
            "held": False,
            "muted": True,
            "customer": False,
        }
    assert outcome(agent) == DONE
    a, s = bench.channel("1000").uuid, bench.channel("1009").uuid
    assert bench.heard_by(a)[-1] == Mix((s,))
    agent.say(his, "MEMBER_STATE", held=True, muted=False)
    assert bench.heard_by(a)[-1] == Mix((s,))
    agent.say(his, "MEMBER_STATE", held=False, muted=False)
    assert bench.heard_by(a)[-1] == Mix((bench.channel("1001").uuid, s))


def test_the_state_of_a_member_is_told_though_it_is_so_already(bench: Any) -> None:
    """As conf/freeswitch: every such word is answered by a CONFERENCE to all, the asker's with its id."""
    phones = conference(bench)
    customer, agent, his, supervisor = phones[0], phones[2], phones[3], phones[4]
    for id in ("first", "second"):
        before = [len(phone.words) for phone in (customer, agent, supervisor)]
        agent.say(his, "MEMBER_STATE", id=id, held=False, muted=True)
        new = [phone.words[at:] for phone, at in zip((customer, agent, supervisor), before, strict=True)]
        assert [[(word["event"], word.get("id")) for word in words] for words in new] == [
            [("CONFERENCE", None)],
            [("CONFERENCE", id), ("DONE", id)],
            [("CONFERENCE", None)],
        ]


def test_a_hold_that_was_said_before_is_told_once(bench: Any) -> None:
    customer, _, agent, his, _, _ = conference(bench)
    agent.say(his, "MEMBER_STATE", held=True, muted=False)
    before = len(customer.words)
    agent.reoffer(his, Direction.SENDONLY)
    bench.run(1.0)
    assert bench.channel("1001").held and len(customer.words) == before


@pytest.mark.parametrize("event", ["DROP_MEMBER", "MEMBER_STATE"])
def test_outside_of_a_conference(bench: Any, event: str) -> None:
    _, _, agent, his, _, _ = monitored(bench)
    agent.say(his, event, member="1000", held=False, muted=False)
    assert outcome(agent) == failed("NOT_ALLOWED") and len(bench.node.channels()) == 3


def test_variables_are_set_on_both_legs(bench: Any) -> None:
    _, _, agent, his, _, _ = monitored(bench)
    agent.say(his, "VARIABLES", variables={"callVariable0": "x", "callVariable1": "ü"})
    assert outcome(agent) == DONE
    wanted = (("offhook_callVariable0", "x"), ("offhook_callVariable1", "ü"))
    assert bench.channel("1001").variables == wanted == bench.channel("1000").variables
    assert bench.channel("1009").variables == ()


def test_variables_in_a_conference(bench: Any) -> None:
    _, _, agent, his, _, _ = conference(bench)
    agent.say(his, "VARIABLES", variables={"a": "b"})
    assert all(each.variables == (("offhook_a", "b"),) for each in bench.node.channels())


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"a b": "x"}, "BAD_WORD"),
        ({"a": 1}, "BAD_WORD"),
        ({"a": "x" * (LONGEST_VALUE + 1)}, "BAD_WORD"),
        ([], "BAD_WORD"),
        ({f"v{number}": "x" for number in range(MOST_VARIABLES + 1)}, "TOO_MANY"),
    ],
)
def test_variables_that_are_not_set(bench: Any, variables: Any, reason: str) -> None:
    _, _, agent, his, _, _ = monitored(bench)
    agent.say(his, "VARIABLES", variables=variables)
    assert outcome(agent) == failed(reason) and bench.channel("1001").variables == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"event":"BARGE"}',
        '{"event":"BARGE","id":1}',
        '{"event":"BARGE","id":""}',
        '{"event":"BARGE","id":"a b"}',
        '{"event":7,"id":"1"}',
        '{"event":"SING","id":"1"}',
        "[" * 50_000,
        "\udcff",
    ],
)
def test_what_is_no_word_is_passed_over(bench: Any, text: str, caplog: pytest.LogCaptureFixture) -> None:
    *_, supervisor, theirs = monitored(bench)
    caplog.set_level(logging.INFO)
    body = text.encode("utf-8", "surrogateescape")
    session = supervisor.agent.session(theirs)
    supervisor.agent.request("INFO", None, bench.now, session=theirs, content_type=CONTENT_TYPE, body="!!")
    for output in supervisor.agent.outputs():
        if hasattr(output, "data"):
            data = output.data.replace(b"Content-Length: 2\r\n", b"Content-Length: %d\r\n" % len(body))
            bench.receive(supervisor.flow, data[:-2] + body)
    bench.drain()
    assert session and supervisor.words == [] and len(bench.node.channels()) == 3
    assert "a word on channel" in caplog.text


def test_a_bad_whisper(bench: Any) -> None:
    *_, supervisor, theirs = monitored(bench)
    supervisor.say(theirs, "WHISPER", on="yes")
    assert outcome(supervisor) == failed("BAD_WORD")


@pytest.mark.parametrize("stream", ["video", "screenshare"])
def test_what_is_shown_is_told_to_the_other_party(bench: Any, stream: str) -> None:
    customer, _, agent, his, *_ = monitored(bench)
    agent.say(his, "MEDIA_CONVERSION", stream=stream, streamStatus="on", loginId="somebody else")
    about = {"eventRequest": "remote", "stream": stream, "streamStatus": "on"}
    assert customer.words == [{"event": "mediaConversion", "dialog": about}] and outcome(agent) == DONE


def test_what_is_shown_is_told_to_all_other_members(bench: Any) -> None:
    customer, _, agent, his, supervisor, _ = conference(bench)
    before = len(agent.words)
    agent.say(his, "MEDIA_CONVERSION", stream="video", streamStatus="off")
    assert outcome(customer)["event"] == outcome(supervisor)["event"] == "mediaConversion"
    assert agent.words[before:] == [DONE]


@pytest.mark.parametrize("more", [{}, {"stream": "video"}, {"stream": [], "streamStatus": "on"}, {"stream": "x"}])
def test_what_is_shown_is_said_in_full(bench: Any, more: dict[str, Any]) -> None:
    customer, _, agent, his, *_ = monitored(bench)
    agent.say(his, "MEDIA_CONVERSION", **more)
    assert outcome(agent) == failed("BAD_WORD") and customer.words == []


def test_who_listens_shows_nothing(bench: Any) -> None:
    *_, supervisor, theirs = monitored(bench)
    supervisor.say(theirs, "MEDIA_CONVERSION", stream="video", streamStatus="on")
    assert outcome(supervisor) == failed("NOT_ALLOWED")


def test_the_customer_of_a_conference_sets_no_variables(bench: Any) -> None:
    customer, hers, *_ = conference(bench)
    customer.say(hers, "VARIABLES", variables={"callVariable0": "mine"})
    assert outcome(customer) == failed("NOT_ALLOWED")
    assert all(each.variables == () for each in bench.node.channels())
