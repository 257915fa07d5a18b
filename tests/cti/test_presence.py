"""Login, logout, outages: contract §1, §2 rows 1 and 8, §4."""

from __future__ import annotations

from typing import Any

import pytest

PASSWORD = "1234"
LOGIN = {"extension": "1000", "password": PASSWORD}


def test_login(make_bench: Any) -> None:
    bench = make_bench()
    result = bench.desk.done("login", **LOGIN)
    assert bench.desk.heard() == ["xmppEvent IN_SERVICE", "agentInfo LOGIN", "dialogState None"]
    assert [event["seq"] for event in bench.desk.events] == [1, 2, 3]
    assert {event["stream"] for event in bench.desk.events} == {result["result"]["stream"]}
    assert result["result"]["seq"] == 3
    assert bench.desk.events[0]["response"]["description"] == "Connected"
    assert {event["response"]["loginId"] for event in bench.desk.events} == {"1000"}
    assert bench.desk.session.verified
    assert bench.pbx.registers == ["600"]


def test_a_wrong_password(make_bench: Any) -> None:
    """RB §3.1, letter for letter; §8.18: with the extension and a text."""
    bench = make_bench("wrong")
    error = bench.desk.failed("login", extension="1000", password="wrong")
    assert error["code"] == "credentials-refused"
    assert bench.desk.heard() == ["agentInfo LOGOUT", "Error credentials-refused"]
    told = bench.desk.events[-1]["response"]
    assert (told["type"], told["loginId"], told["dialogId"]) == ("subscriptionFailed", "1000", None)
    assert told["description"] == "Invalid Credentials. Please provide valid credentials."
    assert not bench.desk.session.verified
    bench.nothing_left()


def test_a_server_that_refuses_for_another_reason_is_tried_again(make_bench: Any) -> None:
    bench = make_bench()
    bench.pbx.register_status = 503
    asked = bench.desk.ask("login", **LOGIN)
    bench.run(2.9)
    assert bench.desk.heard() == [] and bench.desk.results(asked) == []
    bench.run(0.2)
    assert bench.desk.heard() == ["Error unreachable", "xmppEvent OUT_OF_SERVICE"]
    assert bench.desk.result(asked)["error"]["code"] == "unreachable"
    assert "503" in bench.desk.events[0]["response"]["detail"]
    bench.pbx.register_status = 200
    bench.run(60)
    assert bench.desk.heard() == ["xmppEvent IN_SERVICE", "agentInfo LOGIN", "dialogState None"]


def test_unreachable(make_bench: Any) -> None:
    bench = make_bench()
    bench.network.cut(bench.pbx_host)
    asked = bench.desk.ask("login", **LOGIN)
    bench.run(20)
    assert bench.desk.heard() == ["Error unreachable", "xmppEvent OUT_OF_SERVICE"]
    assert bench.desk.result(asked)["error"]["type"] == "networkIssue"
    error = bench.desk.events[0]["response"]
    assert error["type"] == "networkIssue" and error["description"] and error["detail"]
    assert not bench.desk.session.over
    bench.network.heal(bench.pbx_host)
    bench.run(60)
    assert bench.desk.heard() == ["xmppEvent IN_SERVICE", "agentInfo LOGIN", "dialogState None"]


def test_logout_while_it_keeps_trying(make_bench: Any) -> None:
    bench = make_bench()
    bench.network.cut(bench.pbx_host)
    asked = bench.desk.ask("login", **LOGIN)
    bench.run(1)
    bench.desk.done("logout", within=10)
    assert bench.desk.result(asked)["error"]["code"] == "logged-out"
    assert bench.desk.heard() == ["agentInfo LOGOUT"]
    bench.nothing_left()


def test_a_second_login_joins(bench: Any) -> None:
    """RB §8.19: the reference registered twice."""
    dialog, _ = bench.talk()
    bench.desk.replies.clear()
    result = bench.desk.done("login", origin="second", **LOGIN)
    told = [message for origin, message in bench.desk.replies if origin == "second"]
    assert [message["event"] for message in told] == ["xmppEvent", "agentInfo", "dialogState", "commandResult"]
    assert all("seq" not in message for message in told)
    shown = told[2]["response"]["dialog"]
    assert (shown["id"], shown["state"], shown["isCallAlreadyActive"]) == (dialog, "ACTIVE", True)
    assert result["result"]["seq"] == len(bench.desk.events)
    assert bench.desk.news() == []
    assert len(bench.pbx.registers) == 1


def test_a_join_without_a_call(bench: Any) -> None:
    bench.desk.replies.clear()
    bench.desk.done("login", origin="second", **LOGIN)
    assert bench.desk.replies[2][1]["response"]["dialog"] is None


def test_a_join_before_the_first_is_registered(make_bench: Any) -> None:
    bench = make_bench()
    first = bench.desk.ask("login", **LOGIN)
    second = bench.desk.ask("login", origin="second", **LOGIN)
    bench.run()
    assert bench.desk.result(first)["status"] == bench.desk.result(second)["status"] == "done"
    assert len(bench.desk.news()) == 3


def test_a_join_while_the_server_is_out_of_reach(make_bench: Any) -> None:
    bench = make_bench()
    bench.network.cut(bench.pbx_host)
    bench.desk.send("login", **LOGIN)
    bench.run(20)
    bench.desk.replies.clear()
    assert bench.desk.failed("login", origin="second", **LOGIN)["code"] == "unreachable"
    told = [message["event"] for _, message in bench.desk.replies]
    assert told == ["Error", "xmppEvent", "commandResult"]


def test_logout(bench: Any) -> None:
    """RB §8.19: the reference left its calls and its socket behind."""
    bench.talk()
    bench.rings()
    bench.desk.news()
    bench.desk.done("logout", reasonCode="Logged Out", userId="u")
    assert bench.desk.heard() == ["dialogState DROPPED", "dialogState DROPPED", "agentInfo LOGOUT"]
    assert bench.pbx.registers == ["600", "0"]
    bench.nothing_left()
    assert bench.desk.failed("logout")["code"] == "logged-out"
    assert bench.desk.failed("login", **LOGIN)["code"] == "logged-out"
    assert (
        bench.desk.failed("makeCall", calledNumber="1", Destination_Number="1", callType="audio")["code"]
        == "not-logged-in"
    )


def test_two_logouts(bench: Any) -> None:
    first, second = bench.desk.ask("logout"), bench.desk.ask("logout")
    bench.run()
    assert bench.desk.result(first)["status"] == bench.desk.result(second)["status"] == "done"
    assert bench.desk.heard() == ["agentInfo LOGOUT"]


def test_logout_does_not_wait_for_ever(bench: Any) -> None:
    """A call that cannot be cancelled (no provisional response ever came) and a server that is silent."""
    invite = bench.dial()
    bench.network.cut(bench.pbx_host)
    asked = bench.desk.ask("logout")
    bench.run(11)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard()[-2:] == ["dialogState DROPPED", "agentInfo LOGOUT"]
    assert invite.session
    assert bench.desk.finished and bench.desk.timers.next() is None


def test_commands_fail_when_the_agent_leaves(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.deaf_engine = True
    held, stats = bench.desk.ask("holdCall", dialogId=dialog), bench.desk.ask("getStats", dialogId=dialog)
    bench.desk.done("logout")
    assert bench.desk.result(held)["error"]["code"] == "call-ended"
    assert bench.desk.result(stats)["error"]["code"] == "call-ended"


def test_a_short_outage_is_not_told(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.network.reset(bench.desk.host)
    bench.run(2.9)
    assert bench.desk.session.dialogs[0].id == dialog
    assert bench.desk.heard() == []
    assert len(bench.pbx.registers) == 2


def test_commands_wait_for_the_end_of_a_short_outage(bench: Any) -> None:
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(0.5)
    asked = bench.desk.ask("makeCall", calledNumber="1", Destination_Number="1", callType="audio")
    bench.run(0.5)
    assert bench.desk.results(asked) == []
    bench.network.heal(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(1.9)
    assert bench.desk.heard() == ["outboundDialing INITIATING"]
    assert bench.desk.result(asked)["status"] == "done"


def test_an_outage(bench: Any) -> None:
    """RB §8.20, §6: told after three seconds, Error first; after recovery each live dialog is told again."""
    dialog, _ = bench.talk()
    bench.desk.done("holdCall", dialogId=dialog)
    ringing, _ = bench.rings()
    bench.desk.news()
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(0.1)
    waiting = bench.desk.ask("makeCall", calledNumber="1", Destination_Number="1", callType="audio")
    bench.run(2.8)
    assert bench.desk.heard() == ["dialogState DROPPED"]  # the one that rang cannot be answered any more
    bench.run(0.2)
    assert bench.desk.heard() == ["Error out-of-service", "xmppEvent OUT_OF_SERVICE"]
    assert bench.desk.result(waiting)["error"]["code"] == "out-of-service"
    assert bench.desk.failed("retrieveCall", dialogId=dialog)["type"] == "networkIssue"
    bench.desk.done("mute_call", dialogId=dialog)
    bench.desk.news()
    bench.run(30)
    assert bench.desk.news() == []
    bench.network.heal(bench.pbx_host)
    bench.run(60)
    told = bench.desk.news()
    assert [event["event"] for event in told] == ["xmppEvent", "dialogState"]
    shown = told[1]["response"]["dialog"]
    assert (shown["id"], shown["state"], shown["isCallAlreadyActive"]) == (dialog, "HELD", True)
    assert shown["participants"][0]["mute"] is True
    assert ringing != dialog


def test_a_call_that_ended_during_an_outage(bench: Any) -> None:
    """Contract §4: told with its true state after recovery. Its BYE was lost, so the server is asked."""
    dialog, session = bench.talk()
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(1)
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run(40)
    bench.desk.news()
    bench.network.heal(bench.pbx_host)
    bench.run(60)
    assert bench.desk.heard() == ["dialogState DROPPED", "xmppEvent IN_SERVICE"]
    assert bench.desk.dialog()["id"] == dialog
    bench.desk.done("logout")
    bench.nothing_left()


def test_a_refresh_asks_nothing(bench: Any) -> None:
    bench.talk()
    before = sum("OPTIONS" in line for line in bench.network.ladder().splitlines())
    bench.run(620)
    assert sum("OPTIONS" in line for line in bench.network.ladder().splitlines()) == before


def test_too_many_commands_in_an_outage(make_bench: Any) -> None:
    bench = make_bench(max_waiting_commands=2)
    bench.login()
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(0.1)
    call = {"calledNumber": "1", "Destination_Number": "1", "callType": "audio"}
    asked = [bench.desk.ask("makeCall", **call) for _ in range(3)]
    bench.run()
    assert bench.desk.result(asked[2])["error"]["code"] == "too-many-commands"
    assert bench.desk.results(asked[1]) == []


def test_refused_later(bench: Any) -> None:
    """RB §3.1: a refused refresh tells the same pair; calls are not ended by it."""
    dialog, _ = bench.talk()
    bench.pbx.register_status = 403
    bench.run(600)
    assert bench.desk.heard() == ["agentInfo LOGOUT", "Error credentials-refused"]
    assert not bench.desk.session.over
    assert (
        bench.desk.failed("makeCall", calledNumber="1", Destination_Number="1", callType="audio")["type"]
        == "invalidState"
    )
    bench.desk.news()
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    bench.nothing_left()


def test_refused_later_and_taken_again(bench: Any) -> None:
    bench.talk()
    bench.pbx.register_status = 403
    bench.run(600)
    bench.desk.news()
    bench.pbx.register_status = 200
    bench.desk.done("login", **LOGIN)
    assert bench.desk.heard() == ["xmppEvent IN_SERVICE", "agentInfo LOGIN", "dialogState ACTIVE"]


def test_a_refresh_is_not_told(bench: Any) -> None:
    bench.run(1800)
    assert len(bench.pbx.registers) > 3
    assert bench.desk.news() == []


@pytest.mark.parametrize("action", ["makeCall", "makeOBCall"])
def test_no_call_before_the_login(make_bench: Any, action: str) -> None:
    bench = make_bench()
    error = bench.desk.failed(action, calledNumber="1", Destination_Number="1", callType="audio")
    assert (error["type"], error["code"], error["description"]) == (
        "invalidState",
        "not-logged-in",
        "invalid action makeCall",
    )


@pytest.mark.parametrize("status", [200, 403])
def test_what_the_server_says_while_the_agent_leaves(bench: Any, status: int) -> None:
    """A refresh that crosses the logout changes nothing."""
    bench.dial()
    bench.desk.news()
    bench.pbx.deaf_to = "CANCEL"
    asked = bench.desk.ask("logout")
    bench.run(1)
    bench.pbx.register_status = status
    bench.desk.session._work.ua.register(bench.network.now())
    bench.desk.session._after(bench.network.now())
    bench.run(1)
    assert bench.desk.news() == [] and bench.desk.results(asked) == []
    bench.pbx.register_status = 200
    bench.run(10)
    assert bench.desk.heard() == ["dialogState DROPPED", "agentInfo LOGOUT"]
    assert bench.desk.result(asked)["status"] == "done"


def test_a_call_that_is_not_told_yet_is_not_told_after_an_outage(bench: Any) -> None:
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("makeCall", calledNumber="1", Destination_Number="1", callType="audio")
    bench.run()
    assert bench.desk.session.dialogs == ()
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(4)
    bench.network.heal(bench.pbx_host)
    bench.run(5)
    assert bench.desk.heard() == ["Error out-of-service", "xmppEvent OUT_OF_SERVICE", "xmppEvent IN_SERVICE"]
    bench.run(5)
    assert bench.desk.result(asked)["error"]["code"] == "media-timeout"
