"""Logins at a hub with scripted agent sessions: who may, who joins whom, what refused ones cost."""

from __future__ import annotations

from typing import Any

from offhook.cti.agent import Publish
from offhook.cti.events import no_dialog
from offhook.cti.stream import Audit
from offhook.gateway.interface import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    Limits,
    Tell,
    Token,
    TokenRefused,
)


def only_good(text: str, wall: float) -> Token:
    """A token of agent 1000 that is spelled `good`."""
    if text != "good":
        raise TokenRefused("it is no JWT")
    return Token("1000", "agent", "", wall + 600)


# Login


def test_the_first_login_makes_the_session(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    assert session.told == [("login", "c1")]
    assert bench.told(bench.out, "c1") == ["LOGIN"]
    assert (bench.hub.agents, bench.hub.connections) == (1, 1)


def test_a_second_login_joins_and_all_hear(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    assert bench.login("c2") is session
    assert bench.told(bench.out, "c2") == ["dialogState"]
    session.put(Publish(no_dialog("1000")))
    (tell,) = bench.drain()
    assert isinstance(tell, Tell) and tell.connections == ("c1", "c2")


def test_a_wrong_password_changes_nothing_and_is_told_to_the_one_who_gave_it(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    out = bench.say("c2", "login", id="a", extension="1000", password="wrong")
    assert bench.told(out, "c2") == ["LOGOUT", "error credentials-refused", "result a credentials-refused"]
    assert bench.told(out, "c1") == []
    assert session.told == [("login", "c1")]
    session.put(Publish(no_dialog("1000")))
    assert bench.told(bench.drain(), "c2") == []


def test_a_wrong_password_of_a_desk_that_is_in_does_not_show_it_logged_out(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    out = bench.say("c1", "login", id="a", extension="1000", password="wrong")
    assert bench.told(out, "c1") == ["error credentials-refused", "result a credentials-refused"]
    session.put(Publish(no_dialog("1000")))
    assert bench.told(bench.drain(), "c1") != []


def test_wrong_passwords_close_the_connection(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(wrong_passwords=3))
    bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    outs = [bench.say("c2", "login", extension="1000", password=f"{n}") for n in range(4)]
    assert [bench.closed(out) for out in outs] == [[], [], [("c2", 1008)], []]
    assert bench.told(outs[3], "c2") == []


def test_passwords_that_the_server_refused_count_too(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(wrong_passwords=2))
    bench.give(ConnectionOpened("c1"))
    for number in range(2):
        assert bench.closed(bench.out) == []
        bench.say("c1", "login", extension="1000", password=f"{number}")
        bench.made[-1].finish()
        bench.drain()
    assert bench.closed(bench.out) == [("c1", 1008)]


def test_renewals_that_are_refused_leave_a_desk_that_is_in_where_it_is(make_bench: Any) -> None:
    """A page of another origin can give an open desk's address any token, again and again."""
    bench = make_bench(limits=Limits(wrong_passwords=2), check_token=only_good)
    session = bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    bench.say("c2", "login", extension="1000", password="1234", token="good")
    for number in range(6):
        out = bench.say("c2", "renewToken", id=str(number), token="junk")
        assert (bench.told(out, "c2")[-1], bench.closed(out)) == (f"result {number} proof-refused", [])
    bench.say("c2", "holdCall", dialogId="d")
    assert session.told[-1] == ("holdCall", "c2")


def test_who_would_listen_before_a_login_is_noted(make_bench: Any) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    given = {"calledNumber": "1001", "Destination_Number": "1001", "callType": "audio", "service_Identifier": "s"}
    noted = [each for each in bench.say("c1", "silentMonitor", **given) if isinstance(each, Audit)]
    assert [(each.action, each.extension, each.target, each.outcome) for each in noted] == [
        ("silentMonitor", "", "1001", "not-logged-in")
    ]


def test_commands_need_a_login(make_bench: Any) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    assert bench.told(bench.say("c1", "holdCall", id="a", dialogId="d"), "c1") == [
        "error not-logged-in",
        "result a not-logged-in",
    ]
    assert bench.told(bench.give(ConnectionReceived("c1", "rubbish")), "c1") == ["error invalid-json"]


def test_commands_and_what_is_none_reach_the_session(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.say("c1", "holdCall", dialogId="d")
    bench.give(ConnectionReceived("c1", "rubbish"))
    assert session.told[1:] == [("holdCall", "c1"), ("refused invalid-json", "c1")]


def test_one_connection_one_agent(make_bench: Any) -> None:
    bench = make_bench()
    bench.login("c1")
    for action in ("login", "resume"):
        out = bench.say("c1", action, id="a", extension="1001", password="1234", stream="s", seq=0)
        assert bench.told(out, "c1") == ["error other-agent", "result a other-agent"]
    assert bench.hub.agents == 1


def test_a_login_during_the_logout_waits_for_it(make_bench: Any) -> None:
    bench = make_bench()
    first = bench.login("c1")
    bench.say("c1", "logout")
    assert first.told[-1] == ("logout", "c1")
    bench.say("c1", "login", extension="1001", password="1234")  # as somebody else
    bench.give(ConnectionOpened("c2"))
    bench.say("c2", "login", extension="1000", password="1234")
    assert len(bench.made) == 1
    first.finish()
    bench.drain()
    bench.run(0.1)
    assert [made.extension for made in bench.made] == ["1000", "1001", "1000"]
    assert bench.hub.agents == 2


def test_a_refused_session_is_replaced_by_the_next_login(make_bench: Any) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    bench.say("c1", "login", extension="1000", password="wrong")
    (refused,) = bench.made
    refused.over = True  # told, but not yet finished
    bench.say("c1", "login", extension="1000", password="1234")
    assert len(bench.made) == 1
    refused.finish()
    bench.drain()
    bench.run(0.1)
    assert len(bench.made) == 2


def test_before_any_password_is_proved_the_last_one_typed_counts(make_bench: Any) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    bench.say("c1", "login", extension="1000", password="typo")
    bench.give(ConnectionOpened("c2"))
    bench.say("c2", "login", id="a", extension="1000", password="1234")
    assert bench.told(bench.out, "c2") == ["error login-pending", "result a login-pending"]
    bench.say("c1", "login", extension="1000", password="1234")
    first = bench.made[0]
    assert first.told[-1] == ("logout", None)
    first.finish()
    bench.drain()
    bench.run(0.1)
    assert bench.made[1].check_password("1234")


def test_an_unproved_login_does_not_outlive_its_connection(make_bench: Any) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    bench.say("c1", "login", extension="1000", password="typo")
    bench.give(ConnectionClosed("c1"))
    assert bench.made[0].told[-1] == ("logout", None)


# Resume


def test_resume_proves_the_password(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    out = bench.say("c2", "resume", id="a", extension="1000", password="wrong", stream="s", seq=3)
    assert bench.told(out, "c2")[-1] == "result a credentials-refused"
    out = bench.say("c2", "resume", id="a", extension="1000", token="forged", stream="s", seq=3)
    assert bench.told(out, "c2")[-1] == "result a token-refused"
    bench.say("c2", "resume", extension="1000", password="1234", stream="s", seq=3)
    assert session.told[-1] == ("resume", "c2")


def test_resume_of_nobody(make_bench: Any) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    out = bench.say("c1", "resume", id="a", extension="1000", password="1234", stream="s", seq=3)
    assert bench.told(out, "c1") == ["error not-logged-in", "result a not-logged-in"]
    assert bench.hub.agents == 0


def test_after_the_logout_the_connection_is_free(make_bench: Any) -> None:
    bench = make_bench()
    bench.login("c1").finish()
    assert bench.told(bench.drain(), "c1") == ["LOGOUT"]
    bench.say("c1", "login", extension="1001", password="1234")
    assert bench.made[-1].extension == "1001"


def test_agents_are_finite(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(agents=1))
    bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    out = bench.say("c2", "login", id="a", extension="1001", password="1234")
    assert bench.told(out, "c2") == ["error too-many-agents", "result a too-many-agents"]
