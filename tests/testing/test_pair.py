"""Pairs of user agents are registered, call each other both ways, and show the ladder when a test fails."""

from __future__ import annotations

import pytest

from offhook.sip.events import End, Established, InviteReceived, Registered, ServerLost, SessionEnded
from offhook.sip.timers import Timing
from offhook.testing.network import Conditions
from offhook.testing.pair import PASSWORD, call_pair, scripted_pair, sdp


def test_clients_are_registered_and_nothing_is_left_to_look_at() -> None:
    with call_pair(clients=3) as pair:
        assert [client.name for client in pair.clients] == ["1000", "1001", "1002"]
        assert all(client.agent.registered for client in pair.clients)
        assert sorted(pair.registrations) == sorted(pair.flows) == ["1000", "1001", "1002"]
        assert all(party.heard == [] for party in (pair.server, *pair.clients))


def test_a_client_calls_the_server() -> None:
    with call_pair(conditions=Conditions(delay=0.05)) as pair:
        calling, called = pair.establish()
        pair.client.agent.hangup(calling, pair.now)
        ending = pair.server.expect(SessionEnded)
        assert (ending.session, ending.end, ending.by_remote) == (called, End.BYE, True)


def test_the_server_calls_a_client() -> None:
    with call_pair() as pair:
        client, server = pair.establish(pair.server)
        pair.server.agent.hangup(server, pair.now)
        ending = pair.client.expect(SessionEnded)
        assert (ending.session, ending.by_remote) == (client, True)


def test_the_server_calls_any_client() -> None:
    with call_pair(clients=2) as pair:
        pair.call_client(pair.clients[1], offer=sdp("somebody", 7))
        invite = pair.clients[1].expect(InviteReceived)
        assert invite.offer == sdp("somebody", 7)
        assert pair.client.heard == []


def test_registrations_are_refreshed_as_time_passes() -> None:
    with call_pair() as pair:
        pair.run(3600)
        assert pair.client.agent.registered
        assert sum(isinstance(event, Registered) for event in pair.client.heard) >= 6


def test_timing_and_lost_lines_reach_the_user_agents() -> None:
    with call_pair(timing=Timing(silence=1.0, probe=1.0)) as pair:
        pair.network.cut(pair.client.host)
        start = pair.now.monotonic
        pair.client.expect(ServerLost)
        assert pair.now.monotonic - start <= 2.0
        pair.network.heal(pair.client.host)
        pair.client.expect(Registered)


def test_a_client_and_a_scripted_server() -> None:
    with scripted_pair() as (client, peer):
        session = client.call("sip:9196@example.org")
        invite = peer.expect_request("INVITE", headers={"Content-Type": "application/sdp"}, body=sdp("1000"))
        peer.respond(invite, 200, body=sdp("server"))
        peer.expect_request("ACK")
        assert client.expect(Established).session == session


def test_a_client_that_is_not_registered_has_its_challenge_scripted() -> None:
    with scripted_pair(register=False) as (client, peer):
        client.agent.register(client.now)
        register = peer.expect_request("REGISTER")
        challenge = 'Digest realm="example.org", nonce="abc", algorithm=MD5, qop="auth"'
        peer.respond(register, 401, headers=[("WWW-Authenticate", challenge)])
        again = peer.expect_request("REGISTER", headers={"Authorization": lambda value: PASSWORD not in value})
        peer.respond(again, 200, headers=[("Contact", str(again.contact)), ("Expires", "600")])
        assert client.next(Registered).expires == 600


def test_a_failing_test_shows_the_ladder() -> None:
    with pytest.raises(ZeroDivisionError) as failure, call_pair() as pair:
        pair.establish()
        _ = 1 / 0
    assert "INVITE" in failure.value.__notes__[0]
    in_vain = "(?s)in vain for 1000 to put out SessionEnded.*INVITE"
    with pytest.raises(AssertionError, match=in_vain) as waited, call_pair() as pair:
        pair.establish()
        pair.client.expect(SessionEnded, within=1.0)
    assert not hasattr(waited.value, "__notes__")
