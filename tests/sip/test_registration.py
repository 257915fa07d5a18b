from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.sip.digest import DigestServer, Outcome
from offhook.sip.events import Registered, RegistrationFailed, RequestReceived, ServerLost, Unregistered
from offhook.sip.registration import TRANSITIONS, Account, Input, State
from offhook.testing.clock import SeededIds

if TYPE_CHECKING:
    from tests.sip.conftest import Net


class Registrar:
    """Challenges everybody; `nonce_ttl` as FreeSWITCH's."""

    def __init__(self, password: str = "secret") -> None:
        passwords = {"1001": password}
        self.digest = DigestServer("example.org", passwords.get, SeededIds(5))

    def __call__(self, net: Net, asked: RequestReceived) -> None:
        verdict = self.digest.check(asked.request, net.now, proxy=False)
        if verdict.outcome is Outcome.OK:
            contact = asked.request.headers.get("Contact") or ""
            net.server.respond(asked.key, 200, net.now, headers=(("Contact", contact),))
        elif verdict.outcome is Outcome.WRONG:
            net.server.respond(asked.key, 403, net.now)
        else:
            stale = verdict.outcome is Outcome.STALE
            net.server.respond(asked.key, 401, net.now, headers=self.digest.challenge(net.now, False, stale))


def answer_with(*statuses: int, headers: tuple[tuple[str, str], ...] = ()) -> object:
    """A registrar that gives these answers one after another, the last one for ever."""
    left = list(statuses)

    def registrar(net: Net, asked: RequestReceived) -> None:
        status = left.pop(0) if len(left) > 1 else left[0]
        contact = ("Contact", asked.request.headers.get("Contact") or "")
        net.server.respond(asked.key, status, net.now, headers=(contact,) if status == 200 else headers)

    return registrar


def times(net: Net) -> list[float]:
    return [at for at, _ in net.requests("phone", "REGISTER")]


def test_a_challenge_is_answered(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = Registrar()
    net.connect()
    assert net.take("phone", Registered).expires == 600
    first, second = (message for _, message in net.requests("phone", "REGISTER"))
    assert first.headers.get("Authorization") is None
    assert (second.headers.get("Authorization") or "").startswith("Digest ")
    assert (first.uri, str(first.from_.uri), str(first.to)) == (
        "sip:example.org", "sip:1001@example.org", "<sip:1001@example.org>",
    )  # fmt: skip
    assert (first.call_id, first.from_.tag) == (second.call_id, second.from_.tag)
    assert first.via.branch != second.via.branch
    assert [message.cseq.number for message in (first, second)] == [1, 2]
    assert net.phone.registered


def test_the_registration_is_refreshed_in_time_with_one_call_id_and_rising_cseq(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = Registrar()
    net.connect()
    net.run(3000)
    requests = [message for _, message in net.requests("phone", "REGISTER")]
    assert len({message.call_id for message in requests}) == 1
    assert [message.cseq.number for message in requests] == list(range(1, len(requests) + 1))
    firsts = [at for at, message in net.requests("phone", "REGISTER") if message.headers.get("Authorization") is None]
    gaps = [after - before for before, after in zip(firsts, firsts[1:], strict=False)]
    assert len(gaps) == 5 and all(510 <= gap <= 540 for gap in gaps) and len(set(gaps)) > 1
    assert net.count("phone", Registered) == 6


def test_the_granted_time_counts(net: Net) -> None:
    def registrar(net: Net, asked: RequestReceived) -> None:
        contact = (asked.request.headers.get("Contact") or "").replace("expires=600", "expires=60")
        headers = (("Contact", "<sip:other@device>;expires=5"), ("Contact", contact))
        net.server.respond(asked.key, 200, net.now, headers=headers)

    net.registrar = registrar
    net.phone.register(net.now)
    net.drain()
    net.take("phone", Registered)
    assert net.take("phone", Registered).expires == 60
    net.run(54)
    assert 51 <= times(net)[-1] <= 54


def test_an_interval_too_brief_is_made_longer(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = answer_with(423, 200, headers=(("Min-Expires", "1800"),))  # type: ignore[assignment]
    net.connect()
    assert net.take("phone", Registered).expires == 1800
    assert [message.expires for _, message in net.requests("phone", "REGISTER")] == [600, 1800]


@pytest.mark.parametrize("least", ["100", "999999999", "nonsense"])
def test_a_423_that_asks_for_nonsense_is_a_failure(make_net: type[Net], least: str) -> None:
    net = make_net()
    net.registrar = answer_with(423, 423, headers=(("Min-Expires", least),))  # type: ignore[assignment]
    net.connect()
    assert net.take("phone", RegistrationFailed) == RegistrationFailed(423, "Interval Too Brief", False)


def test_refused_credentials_are_final_until_the_owner_asks_again(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = Registrar("other")
    net.connect()
    assert net.take("phone", RegistrationFailed) == RegistrationFailed(403, "Forbidden", True)
    net.run(2000)
    assert len(times(net)) == 2
    assert net.phone.connected and not net.phone.registered
    net.registrar = Registrar()
    net.phone.register(net.now)
    net.drain()
    assert net.take("phone", Registered)


def test_the_same_challenge_again_is_a_refusal(make_net: type[Net]) -> None:
    net = make_net()
    challenge = (("WWW-Authenticate", 'Digest realm="example.org", nonce="n", algorithm=MD5, qop="auth"'),)
    net.registrar = answer_with(401, headers=challenge)  # type: ignore[assignment]
    net.connect()
    assert net.take("phone", RegistrationFailed) == RegistrationFailed(401, "Unauthorized", True)
    assert len(times(net)) == 2


def test_a_nonce_that_became_stale_is_no_refusal(make_net: type[Net]) -> None:
    net = make_net()
    fresh = ("WWW-Authenticate", 'Digest realm="example.org", nonce="n1", algorithm=MD5, qop="auth"')
    stale = ("WWW-Authenticate", 'Digest realm="example.org", nonce="n2", stale=true, algorithm=MD5, qop="auth"')
    answers = [(401, fresh), (401, stale), (200, ("X", "y"))]

    def registrar(net: Net, asked: RequestReceived) -> None:
        status, header = answers.pop(0)
        net.server.respond(asked.key, status, net.now, headers=(header,))

    net.registrar = registrar
    net.connect()
    assert net.take("phone", Registered).expires == 600
    assert 'nonce="n2"' in (net.requests("phone", "REGISTER")[-1][1].headers.get("Authorization") or "")


def test_another_realm_gets_no_answer(make_net: type[Net]) -> None:
    account = Account("1001", "example.org", "secret", ("ws://pbx",), realm="mine")
    net = make_net(account=account)
    net.registrar = Registrar()
    net.connect()
    assert net.take("phone", RegistrationFailed).final
    assert all(message.headers.get("Authorization") is None for _, message in net.requests("phone", "REGISTER"))


def test_failures_are_tried_again_with_growing_pauses(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = answer_with(503)  # type: ignore[assignment]
    net.connect()
    net.run(300)
    gaps = [after - before for before, after in zip(times(net), times(net)[1:], strict=False)]
    assert 0.25 <= gaps[0] <= 0.5 and gaps[3] > 1.9 and all(gap <= 30 for gap in gaps) and gaps[-1] >= 15
    assert all(not event.final for event in net.told["phone"] if isinstance(event, RegistrationFailed))
    net.registrar = answer_with(200)  # type: ignore[assignment]
    net.run(31)
    assert net.phone.registered


def test_a_server_may_say_how_long_to_wait(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = answer_with(503, 200, headers=(("Retry-After", "20"),))  # type: ignore[assignment]
    net.connect()
    net.run(19)
    assert len(times(net)) == 1
    net.run(3.1)
    assert len(times(net)) == 2


def test_no_server_makes_us_wait_longer_than_30_seconds(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = answer_with(503, 200, headers=(("Retry-After", "3600"),))  # type: ignore[assignment]
    net.connect()
    net.run(26.9)
    assert len(times(net)) == 1
    net.run(3.1)
    assert net.phone.registered


def test_an_overloaded_server_is_left_for_the_next_one_once_a_round(make_net: type[Net]) -> None:
    account = Account("1001", "example.org", "secret", ("ws://a", "ws://b", "ws://c"))
    net = make_net(account=account)
    net.registrar = answer_with(503, headers=(("Retry-After", "30"),))  # type: ignore[assignment]
    net.phone.start(net.now)
    net.run(5)
    assert [url for _, url in net.opens] == ["ws://a", "ws://b", "ws://c"]
    assert len(times(net)) == 3
    net.registrar = answer_with(200)  # type: ignore[assignment]
    net.run(31)
    assert net.phone.registered and net.opens[-1][1] == "ws://c"


def test_a_server_that_does_not_answer_is_left(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = lambda net, asked: None
    net.connect()
    net.run(7.9)
    assert net.count("phone", RegistrationFailed) == 0
    net.registrar = answer_with(200)  # type: ignore[assignment]
    net.run(2)
    assert net.take("phone", RegistrationFailed).status == 408
    assert net.take("phone", ServerLost).url == "ws://pbx"
    assert net.phone.registered


def test_a_lost_flow_takes_the_registration_along_and_a_new_one_brings_it_back(net: Net) -> None:
    first = net.requests("phone", "REGISTER")[0][1]
    net.cut()
    assert not net.phone.registered
    net.run(1)
    assert net.phone.registered
    again = net.requests("phone", "REGISTER")[-1][1]
    assert (again.call_id, again.headers.get("Contact")) == (first.call_id, first.headers.get("Contact"))
    assert again.cseq.number == first.cseq.number + 1


def test_stopping_unregisters_and_closes(net: Net) -> None:
    net.phone.stop(net.now)
    net.drain()
    assert net.take("phone", Unregistered)
    last = net.requests("phone", "REGISTER")[-1][1]
    assert last.expires == 0 and last.contact is not None and last.contact.parameters.get("expires") == "0"
    assert not net.phone.connected and not net.phone.registered
    assert (len(net.timers), len(net.phone), net.flow) == (0, 0, {})
    net.run(1000)
    assert len(times(net)) == 2


def test_stopping_waits_two_seconds_at_most(net: Net) -> None:
    net.registrar = lambda net, asked: None
    net.phone.stop(net.now)
    net.run(1.9)
    assert net.count("phone", Unregistered) == 0
    net.run(0.1)
    assert net.take("phone", Unregistered)
    assert net.flow == {}


def test_stopping_with_a_challenge(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = Registrar()
    net.connect()
    net.phone.stop(net.now)
    net.drain()
    assert net.take("phone", Unregistered)
    assert len(times(net)) == 4


def test_stopping_while_offline_or_refused(make_net: type[Net]) -> None:
    net = make_net()
    net.reachable = False
    net.connect() if net.flow else net.phone.start(net.now)
    net.run(3)
    net.phone.stop(net.now)
    net.drain()
    assert net.take("phone", Unregistered)
    assert len(net.timers) == 0
    refused = make_net()
    refused.registrar = answer_with(403)  # type: ignore[assignment]
    refused.connect()
    refused.phone.stop(refused.now)
    refused.drain()
    assert refused.take("phone", Unregistered)
    assert len(refused.timers) == 0


def test_it_can_be_started_again(net: Net) -> None:
    net.phone.stop(net.now)
    net.drain()
    net.connect()
    assert net.phone.registered
    assert [message.cseq.number for _, message in net.requests("phone", "REGISTER")] == [1, 2, 3]


def test_the_password_is_in_no_repr() -> None:
    assert "secret" not in repr(Account("1001", "example.org", "secret"))


def test_leaving_and_losing_the_flow_are_foreseen_wherever_something_is_under_way() -> None:
    busy = (State.TRYING, State.REGISTERED, State.REFRESHING, State.PAUSING)
    for state in busy:
        assert TRANSITIONS[state, Input.LOST][0] is State.OFFLINE
        assert TRANSITIONS[state, Input.LEAVE][0] is State.LEAVING


@pytest.mark.parametrize("header", ["Contact: <sip:x", "Expires: soon"])
def test_a_2xx_that_cannot_be_read_grants_what_was_asked(net: Net, header: str) -> None:
    name, _, value = header.partition(": ")

    def registrar(net: Net, asked: RequestReceived) -> None:
        net.server.respond(asked.key, 200, net.now, headers=((name, value),))

    net.registrar = registrar
    net.take("phone", Registered)
    net.phone.register(net.now)
    net.drain()
    if name == "Expires":
        assert net.take("phone", Registered).expires == 600
    else:
        assert net.count("phone", Registered) == 0, "the response is dropped: its Contact is part of every dialog"


def test_a_retry_after_that_cannot_be_read_is_none(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = answer_with(503, 200, headers=(("Retry-After", "soon"),))  # type: ignore[assignment]
    net.connect()
    net.run(1)
    assert net.phone.registered
