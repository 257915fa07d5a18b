"""RFC 4028 as FreeSWITCH wants it: who is called refreshes, and stays the one who does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.sip.account import Account
from offhook.sip.events import End, OfferReceived, RequestAnswered, SessionEnded
from offhook.sip.message import Message, Response
from offhook.sip.style import Style

if TYPE_CHECKING:
    from tests.sip.conftest import Net

FREESWITCH = (("Supported", "timer, path, replaces"), ("Session-Expires", "120;refresher=uac"), ("Min-SE", "120"))


def updates(net: Net) -> list[float]:
    return [at for at, _ in net.requests("phone", "UPDATE")]


def timer_of(message: Message) -> str | None:
    return message.headers.get("Session-Expires")


def test_called_we_refresh_from_the_200_on_every_40_s(net: Net) -> None:
    caller, session = net.answer_phone(headers=FREESWITCH)
    fine = net.responses("phone", "INVITE")[-1][1]
    assert (timer_of(fine), fine.headers.get("Require")) == ("120;refresher=uas", "timer")
    assert "timer" in fine.supported
    net.run(170)
    assert updates(net) == [40.0, 80.0, 120.0, 160.0]
    update = net.requests("phone", "UPDATE")[0][1]
    assert (update.body, timer_of(update)) == (b"", "120;refresher=uac")
    assert "timer" in update.supported and update.contact is not None
    granted = net.responses("server", "UPDATE")[0][1]
    assert (timer_of(granted), granted.headers.get("Require")) == ("120;refresher=uac", "timer")
    assert net.requests("server", "UPDATE") == [] and len(net.requests("server", "INVITE")) == 1
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_we_stay_the_refresher_through_reinvites_of_both_sides(net: Net) -> None:
    caller, session = net.answer_phone(headers=FREESWITCH)
    net.run(20)
    net.phone.reinvite(session, net.sdp(9, 2), net.now)
    net.drain()
    ours = net.requests("phone", "INVITE")[-1][1]
    assert timer_of(ours) == "120;refresher=uac" and "timer" in ours.supported
    net.server.answer(caller, net.sdp(1, 2), net.now)
    net.run(20)
    net.server.reinvite(caller, net.sdp(1, 3), net.now, headers=FREESWITCH)
    net.drain()
    net.phone.answer(session, net.sdp(9, 3), net.now)
    net.drain()
    assert timer_of(net.responses("phone", "INVITE")[-1][1]) == "120;refresher=uas"
    net.run(150)
    assert updates(net) == [80.0, 120.0, 160.0]
    assert len(net.requests("server", "INVITE")) == 2
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_the_least_interval_is_that_of_the_rfc_and_of_the_peer(net: Net) -> None:
    net.answer_phone(headers=(("Supported", "timer"), ("Session-Expires", "30")))
    assert timer_of(net.responses("phone", "INVITE")[-1][1]) == "90;refresher=uas"
    net.answer_phone(headers=(("Supported", "timer"), ("Session-Expires", "100"), ("Min-SE", "300")))
    assert timer_of(net.responses("phone", "INVITE")[-1][1]) == "300;refresher=uas"
    net.answer_phone(headers=(("Supported", "timer"),))
    assert timer_of(net.responses("phone", "INVITE")[-1][1]) == "120;refresher=uas"


def test_a_peer_without_timers_gets_none(net: Net) -> None:
    net.answer_phone(headers=(("Supported", "replaces"),))
    fine = net.responses("phone", "INVITE")[-1][1]
    assert timer_of(fine) is None and fine.headers.get("Require") is None
    net.run(200)
    assert updates(net) == []


def test_a_call_of_ours_asks_for_no_timer(net: Net) -> None:
    net.answer_server()
    invite = net.requests("phone", "INVITE")[0][1]
    assert timer_of(invite) is None and "timer" not in invite.supported
    net.run(200)
    assert updates(net) == []


def test_a_server_that_wants_a_timer_of_its_caller_gets_refreshes(net: Net) -> None:
    session, called = net.call_server()
    net.server.accept(called, net.ANSWER, net.now, headers=(("Session-Expires", "100;refresher=uac"),))
    net.run(130)
    assert updates(net) == [40.0, 80.0, 120.0]
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_peer_that_promised_to_refresh_and_does_not_ends_the_session(net: Net) -> None:
    session, called = net.call_server()
    net.server.accept(called, net.ANSWER, net.now, headers=(("Session-Expires", "100;refresher=uas"),))
    net.run(89)
    assert net.count("phone", SessionEnded) == 0
    net.run(1)
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end) == (session, End.TIMEOUT)
    bye = net.requests("phone", "BYE")[0][1]
    assert bye.reasons[0].text == "Session timeout"
    net.assert_clean()


def test_a_longer_interval_that_is_demanded_is_asked_for(net: Net) -> None:
    caller, session = net.answer_phone(headers=FREESWITCH)
    held: list[Response] = []

    def hold(who: str, message: Message) -> bool:
        if isinstance(message, Response) and message.cseq.method == "UPDATE" and not held:
            held.append(message)
            return True
        return False

    net.drop = hold
    net.run(40)
    refusal = held[0].serialize().replace(b"200 OK", b"422 Session Interval Too Small")
    net.send_raw("phone", refusal.replace(b"Session-Expires: 120;refresher=uac", b"Min-SE: 180"))
    net.run(8)
    assert timer_of(net.requests("phone", "UPDATE")[-1][1]) == "180;refresher=uac"
    net.phone.hangup(session, net.now)
    assert caller
    net.assert_clean()


def refuse(net: Net, status: int) -> None:
    """The next UPDATE gets this status."""
    net.drop = lambda who, message: isinstance(message, Response) and message.cseq.method == "UPDATE"
    net.run(40)
    net.drop = lambda who, message: False
    fine = net.responses("server", "UPDATE")[-1][1]
    net.send_raw("phone", fine.serialize().replace(b"200 OK", f"{status} No".encode()))


def test_a_refresh_that_finds_no_session_ends_it(net: Net) -> None:
    net.answer_phone(headers=FREESWITCH)
    refuse(net, 481)
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.status) == (End.LOST, 481)


def test_a_refresh_that_fails_is_tried_again_soon(net: Net) -> None:
    net.answer_phone(headers=FREESWITCH)
    refuse(net, 500)
    net.run(8)
    assert len(updates(net)) == 2 and updates(net)[1] < 48


def test_a_peer_without_update_is_refreshed_by_reinvite(net: Net) -> None:
    _, session = net.answer_phone(headers=FREESWITCH)
    refuse(net, 501)
    net.run(8)
    again = net.requests("phone", "INVITE")[-1][1]
    assert again.text == net.ANSWER
    assert net.phone.session(session).state == "established"


def test_a_refresh_without_an_answer_ends_the_session(net: Net) -> None:
    net.answer_phone(headers=FREESWITCH)
    net.drop = lambda who, message: isinstance(message, Response) and message.cseq.method == "UPDATE"
    net.run(72)
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.status) == (End.LOST, 408)


def test_a_refresh_waits_while_an_offer_is_out(net: Net) -> None:
    caller, session = net.answer_phone(headers=FREESWITCH)
    net.run(39)
    net.phone.reinvite(session, net.sdp(9, 2), net.now)
    net.run(3)
    assert updates(net) == []
    net.server.answer(caller, net.sdp(1, 2), net.now)
    net.run(38)
    assert updates(net) == []
    net.run(3)
    assert len(updates(net)) == 1
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_refresh_that_falls_into_an_outage_is_made_up_for(net: Net) -> None:
    _, session = net.answer_phone(headers=FREESWITCH)
    net.run(35)
    net.reachable = False
    net.cut()
    net.run(10)
    net.reachable = True
    net.run(30)
    assert net.phone.session(session).state == "established"
    assert len(updates(net)) == 1 and 45 < updates(net)[0] < 75


def test_a_refresh_on_a_flow_that_breaks_is_sent_again(net: Net) -> None:
    _, session = net.answer_phone(headers=FREESWITCH)
    net.drop = lambda who, message: isinstance(message, Response) and message.cseq.method == "UPDATE"
    net.run(41)
    net.drop = lambda who, message: False
    net.cut()
    net.run(2)
    assert len(updates(net)) == 2
    assert net.phone.session(session).state == "established"


def test_a_server_side_refreshes_by_reinvite_like_freeswitch(make_net: type[Net]) -> None:
    style = Style(refresher=False, refresh_by="INVITE")
    net = make_net(server_style=style, phone_style=Style(refresher=False, options=frozenset({"timer"})))
    net.connect()
    caller, session = net.answer_phone(headers=FREESWITCH)
    fine = net.responses("phone", "INVITE")[-1][1]
    assert (timer_of(fine), fine.headers.get("Require")) == ("120;refresher=uac", "timer")
    net.run(130)
    refreshes = net.requests("server", "INVITE")[1:]
    assert [at for at, _ in refreshes] == [60.0, 120.0]
    assert refreshes[0][1].text == net.OFFER
    assert net.count("phone", OfferReceived) == 0, "answered from the last answer"
    net.cut()
    net.run(100)
    assert net.take("server", SessionEnded).end is End.LOST
    assert caller and session


def test_a_peer_that_knows_no_timer_is_refreshed_by_the_server_side(make_net: type[Net]) -> None:
    net = make_net(server_style=Style(refresher=False, refresh_by="INVITE"))
    net.connect()
    caller, session = net.answer_phone(headers=(("Session-Expires", "120;refresher=uac"),))
    assert timer_of(net.responses("phone", "INVITE")[-1][1]) is None
    net.run(30)
    net.phone.reinvite(session, net.sdp(9, 2), net.now)
    net.drain()
    net.server.answer(caller, net.sdp(1, 2), net.now)
    net.drain()
    fine = net.responses("server", "INVITE")[-1][1]
    assert timer_of(fine) == "120;refresher=uas" and fine.headers.get("Require") is None
    net.run(59)
    assert len(net.requests("server", "INVITE")) == 1
    net.run(1)
    assert len(net.requests("server", "INVITE")) == 2


def test_an_update_of_the_owner_is_a_refresh_too(net: Net) -> None:
    _, session = net.answer_phone(headers=FREESWITCH)
    id = net.phone.update(session, net.now)
    net.drain()
    assert net.take("phone", RequestAnswered).id == id
    assert timer_of(net.requests("phone", "UPDATE")[0][1]) == "120;refresher=uac"


def test_a_refresh_on_a_server_side_whose_flow_breaks_ends_the_session(make_net: type[Net]) -> None:
    net = make_net(server_style=Style(refresher=False))
    net.connect()
    caller, _ = net.answer_phone(headers=(("Session-Expires", "120;refresher=uac"),))
    net.drop = lambda who, message: True
    net.run(61)
    net.cut()
    ended = net.take("server", SessionEnded)
    assert (ended.session, ended.end) == (caller, End.LOST)


def test_timers_that_cannot_be_read_are_none(net: Net) -> None:
    net.answer_phone(headers=(("Supported", "timer"), ("Session-Expires", "soon"), ("Min-SE", "later")))
    assert timer_of(net.responses("phone", "INVITE")[-1][1]) == "120;refresher=uas"


def test_a_restored_session_that_the_peer_refreshes_still_has_its_end(net: Net) -> None:
    from offhook.sip.user_agent import UserAgent
    from offhook.testing.clock import SeededIds

    session, called = net.call_server()
    net.server.accept(called, net.ANSWER, net.now, headers=(("Session-Expires", "100;refresher=uas"),))
    net.drain()
    snapshot = net.phone.snapshot(net.now)
    net.phone = UserAgent.restore(snapshot, timers=net.timers, ids=SeededIds(9), name="q")
    net.phone.start(net.now, register=False)
    net.run(90)
    assert net.take("phone", SessionEnded).end is End.TIMEOUT


def asking(make_net: type[Net], seconds: int = 600, server_style: Style | None = None) -> Net:
    account = Account("1001", "example.org", "secret", ("ws://pbx",), session_expires=seconds)
    net = make_net(account=account, server_style=server_style)
    net.connect()
    return net


def test_a_call_of_ours_asks_for_a_timer_where_that_is_configured(make_net: type[Net]) -> None:
    net = asking(make_net)
    session, called = net.answer_server()
    invite = net.requests("phone", "INVITE")[0][1]
    assert timer_of(invite) == "600" and {"timer", "replaces"} <= invite.supported
    assert timer_of(net.responses("server", "INVITE")[-1][1]) == "600;refresher=uac"
    net.run(39)
    assert updates(net) == []
    net.run(1)
    assert updates(net) == [40.0], "as often as FreeSWITCH wants it"
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_the_called_party_may_take_the_refreshing(make_net: type[Net]) -> None:
    net = asking(make_net, server_style=Style())
    session, _ = net.answer_server()
    assert timer_of(net.responses("server", "INVITE")[-1][1]) == "600;refresher=uas"
    net.run(45)
    assert updates(net) == [] and len(net.requests("server", "UPDATE")) == 1
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_called_party_without_timers_is_refreshed_all_the_same(make_net: type[Net]) -> None:
    net = asking(make_net, 90)
    net.drop = lambda who, message: who == "server" and isinstance(message, Response) and message.status == 200
    net.call_server()
    net.server.accept(net.server.sessions()[0], net.ANSWER, net.now)
    net.drain()
    fine = net.responses("server", "INVITE")[-1][1]
    for name in ("Session-Expires", "Require"):
        fine.headers.remove(name)
    net.drop = lambda who, message: False
    net.send_raw("phone", fine.serialize())
    net.run(40)
    assert updates(net) == [40.0]


def test_an_interval_that_is_too_brief_is_asked_for_again(make_net: type[Net]) -> None:
    net = asking(make_net, 30)
    net.call_server()
    first, second = (m for _, m in net.requests("phone", "INVITE"))
    refusal = next(m for _, m in net.responses("server", "INVITE") if m.status == 422)
    assert refusal.min_se == 90
    assert (timer_of(second), second.headers.get("Min-SE"), second.call_id) == ("90", "90", first.call_id)
    assert second.cseq.number == first.cseq.number + 1
    net.server.accept(net.server.sessions()[0], net.ANSWER, net.now)
    net.drain()
    assert timer_of(net.responses("server", "INVITE")[-1][1]) == "90;refresher=uac"


def refuse_brief(net: Net, *least: str) -> None:
    """Answer the last INVITEs of the phone 422, in place of the server."""
    net.drop = lambda who, message: who == "server"
    for value in least:
        invite = net.requests("phone", "INVITE")[-1][1]
        refusal = invite.response(422, to_tag="t")
        refusal.headers.add("Min-SE", value)
        net.send_raw("phone", refusal.serialize())


@pytest.mark.parametrize("least", [("600",), ("1",), ("nonsense",), ("999999999",), ("700", "700")])
def test_a_422_that_leads_nowhere_refuses_the_call(make_net: type[Net], least: tuple[str, ...]) -> None:
    net = asking(make_net)
    net.drop = lambda who, message: who == "server"
    session = net.phone.invite("sip:9196@example.org", net.OFFER, net.now)
    net.drain()
    refuse_brief(net, *least)
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.status) == (session, End.REFUSED, 422)
    assert len(net.requests("phone", "INVITE")) == len(least)


def test_a_call_without_a_timer_is_refused_by_422(net: Net) -> None:
    net.drop = lambda who, message: who == "server"
    net.phone.invite("sip:9196@example.org", net.OFFER, net.now)
    net.drain()
    refuse_brief(net, "200")
    assert net.take("phone", SessionEnded).status == 422


def test_a_reinvite_obeys_a_422(make_net: type[Net]) -> None:
    net = asking(make_net)
    session, _ = net.answer_server()
    net.drop = lambda who, message: who == "server"
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    refuse_brief(net, "900")
    again = net.requests("phone", "INVITE")[-1][1]
    assert (timer_of(again), again.headers.get("Min-SE")) == ("900", "900")
    assert again.text == net.sdp(1, 2)
    net.drop = lambda who, message: False
    net.send_raw("server", again.serialize())
    assert net.take("server", OfferReceived).offer == net.sdp(1, 2)


def test_requests_with_too_brief_an_interval_are_refused(net: Net) -> None:
    brief = (("Supported", "timer"), ("Session-Expires", "60"))
    caller, session = net.answer_phone(headers=FREESWITCH)
    net.server.reinvite(caller, net.sdp(1, 2), net.now, headers=brief)
    net.drain()
    refusals = [m for _, m in net.responses("phone", "INVITE") if m.status == 422]
    assert [m.min_se for m in refusals] == [90]
    assert net.phone.session(session).state == "established"
