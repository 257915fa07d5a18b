from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.media.engine import Direction, FromPeer, Mix
from offhook.sip.events import Established, OfferReceived
from offhook.switch.core import Hold, Originate
from offhook.switch.wording import SwitchSettings


def call(bench: Any) -> tuple[Any, str, Any, str]:
    """The customer 1000 talks with the agent 1001."""
    customer, agent = bench.phone("1000"), bench.phone("1001")
    hers = customer.call("1001")
    return customer, hers, agent, agent.accept()


def listen(bench: Any, number: str = "*441001", user: str = "1009") -> tuple[Any, str]:
    supervisor = bench.phone(user)
    return supervisor, supervisor.call(number, offer=supervisor.offer(Direction.RECVONLY))


def test_a_supervisor_hears_both_and_is_heard_by_nobody(bench: Any) -> None:
    call(bench)
    supervisor, _ = listen(bench)
    a, b, s = (bench.channel(user) for user in ("1000", "1001", "1009"))
    assert supervisor.have(Established) and s.listening == b.uuid
    assert bench.heard_by(s.uuid) == [Mix((b.uuid, a.uuid))]
    assert bench.heard_by(a.uuid)[-1] == FromPeer(b.uuid) and bench.heard_by(b.uuid)[-1] == FromPeer(a.uuid)
    assert "a=sendonly" in supervisor.last(Established).response.text


def test_it_lasts(bench: Any) -> None:
    call(bench)
    supervisor, _ = listen(bench)
    bench.run(600.0)
    assert bench.channel("1009").listening and not supervisor.have(OfferReceived)


@pytest.mark.parametrize("who", ["1000", "1001"])
def test_it_ends_with_the_call(bench: Any, who: str) -> None:
    customer, hers, agent, his = call(bench)
    supervisor, _ = listen(bench)
    (customer if who == "1000" else agent).hang_up(hers if who == "1000" else his)
    assert supervisor.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()
    assert bench.node._exchange.listeners == []


def test_the_call_goes_on_when_the_supervisor_leaves(bench: Any) -> None:
    call(bench)
    supervisor, session = listen(bench)
    supervisor.hang_up(session)
    assert len(bench.node.channels()) == 2 and bench.node._exchange.listeners == []
    (channel, _) = bench.node._exchange.channels.values()
    assert channel.at_end == []


def refused(bench: Any, number: str, user: str = "1009") -> tuple[int, str]:
    phone, _ = listen(bench, number, user)
    assert not [each for each in bench.node.channels() if each.user == user]
    return phone.end.status, phone.end.reasons[0].text


@pytest.mark.parametrize("user", ["1002", "1003"])
def test_agents_may_not_listen(bench: Any, user: str) -> None:
    call(bench)
    assert refused(bench, "*441001", user) == (403, "NOT_ALLOWED")


@pytest.mark.parametrize(
    ("number", "status"), [("*441005", 480), ("*442222", 404), ("*441009", 404), ("*44", 480), ("*44*441001", 480)]
)
def test_no_call_to_listen_to(bench: Any, number: str, status: int) -> None:
    call(bench)
    assert refused(bench, number)[0] == status


def test_a_user_that_is_rung_has_no_call_yet(bench: Any) -> None:
    bench.phone("1001")
    bench.phone("1000").call("1001")
    assert refused(bench, "*441001") == (480, "NO_CALL")


@pytest.mark.parametrize("who", ["customer", "agent", "server"])
def test_a_call_on_hold(bench: Any, who: str) -> None:
    customer, hers, agent, his = call(bench)
    if who == "server":
        bench.give(Hold("1001"))
    else:
        (customer if who == "customer" else agent).reoffer(hers if who == "customer" else his, Direction.SENDONLY)
    bench.run(1.0)
    assert refused(bench, "*441001") == (480, "ON_HOLD")


def test_of_several_calls_that_which_is_not_held(bench: Any) -> None:
    _, _, agent, his = call(bench)
    agent.reoffer(his, Direction.SENDONLY)
    bench.run(1.0)
    other = bench.phone("1002")
    agent.call("1002")
    other.accept()
    listen(bench)
    heard = bench.heard_by(bench.channel("1009").uuid)[-1]
    assert bench.channel("1002").uuid in heard.peers and bench.channel("1000").uuid not in heard.peers


def test_a_leg_that_was_transferred_never_listens(bench: Any) -> None:
    """Not even a supervisor's, for it did not ask to."""
    call(bench)
    supervisor, agent = bench.phone("1009"), bench.phone("1002")
    supervisor.call("1002")
    session = agent.accept()
    agent.agent.refer(session, "sip:*441001@127.0.0.1", bench.now)
    bench.drain()
    bench.run(1.0)
    assert not [each for each in bench.node.channels() if each.listening]
    assert supervisor.end.reasons[0].text == "CALL_REJECTED"


def test_who_has_been_transferred_away_is_heard_no_more(make_bench: Callable[..., Any]) -> None:
    """The agent is parked until the transfer is confirmed; it is the agent's call that is listened to."""
    bench = make_bench(settings=SwitchSettings(confirm_blind_transfer=True))
    _, _, agent, his = call(bench)
    bench.phone("1002")
    listen(bench)
    agent.agent.refer(his, "sip:1002@127.0.0.1", bench.now)
    bench.drain()
    bench.run(1.0)
    heard = bench.heard_by(bench.channel("1009").uuid)[-1]
    assert heard == Mix((bench.channel("1001").uuid,))


def test_an_originated_leg_never_listens(bench: Any) -> None:
    call(bench)
    supervisor = bench.phone("1009")
    bench.give(Originate("1009", number="*441001"))
    supervisor.accept()
    assert not [each for each in bench.node.channels() if each.listening]


def test_a_listener_cannot_be_listened_to(bench: Any) -> None:
    call(bench)
    listen(bench)
    session = bench.phone("1009")
    session.call("*441009")
    assert session.end.status == 404


def test_the_keys_of_a_supervisor_do_nothing(bench: Any) -> None:
    call(bench)
    supervisor, session = listen(bench)
    supervisor.press(session, "3")
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == FromPeer(bench.channel("1001").uuid)


def test_a_number_for_everybody_is_not_there_unless_it_is_wanted(bench: Any) -> None:
    call(bench)
    for number in ("779", "881001"):
        assert refused(bench, number, "1002")[0] == 480


def test_keys_to_talk_into_the_call(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(settings=SwitchSettings(open_eavesdrop=True))
    call(bench)
    other, session = listen(bench, "881001", "1002")
    a, b, o = (bench.channel(user).uuid for user in ("1000", "1001", "1002"))

    def heard() -> tuple[bool, bool]:
        return tuple(o in getattr(bench.heard_by(each)[-1], "peers", ()) for each in (a, b))  # type: ignore[return-value]

    for digit, expected in (("1", (True, False)), ("2", (False, True)), ("3", (True, True)), ("0", (False, False))):
        other.press(session, digit)
        assert heard() == expected, digit
    other.press(session, "3")
    other.hang_up(session)
    assert bench.heard_by(a)[-1] == FromPeer(b) and bench.heard_by(b)[-1] == FromPeer(a)


def test_listening_to_anybody(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(settings=SwitchSettings(open_eavesdrop=True))
    assert refused(bench, "779", "1002")[0] == 480
    call(bench)
    listen(bench, "779", "1003")
    assert bench.channel("1003").listening
