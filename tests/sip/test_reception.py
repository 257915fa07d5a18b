"""What requests of the peer are answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import pytest

from offhook.errors import StateError
from offhook.sip.events import DisplayUpdated, End, InviteReceived, RequestReceived, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.message import Request, Response

if TYPE_CHECKING:
    from tests.sip.conftest import Net


def ask(
    net: Net, method: str, *extra: str, body: str = "", tag: str = "", branch: str = "z9hG4bK7", call: str = "c7",
    number: int = 5, who: str = "phone", to: str = "<sip:1001@example.org>", sender: str = "<sip:pbx@h>;tag=pbx",
    target: str = "sip:1001@phone.invalid",
) -> Response | None:  # fmt: skip
    """Give the phone a request; gives its last answer to it."""
    lines = [
        f"{method} {target} SIP/2.0",
        f"Via: SIP/2.0/WS 10.0.0.1:5066;branch={branch}",
        "Max-Forwards: 70",
        f"From: {sender}",
        f"To: {to}{tag}",
        f"Call-ID: {call}",
        f"CSeq: {number} {method}",
        *extra,
        f"Content-Length: {len(body)}",
    ]
    before = len(net.wire)
    net.send_raw(who, "\r\n".join(lines) + "\r\n\r\n" + body)
    found = [m for _, w, m in net.wire[before:] if w == who and isinstance(m, Response)]
    return found[-1] if found else None


class Inside(TypedDict):
    tag: str
    call: str
    sender: str


def inside(net: Net, session: str) -> Inside:
    """Arguments of `ask` for a request within a session of the phone."""
    view = net.phone.session(session)
    return {
        "tag": f";tag={view.local_tag}",
        "call": view.call_id,
        "sender": f"<{view.remote_uri}>;tag={view.remote_tag}",
    }


def status(answer: Response | None) -> int:
    assert answer is not None, "nothing was answered"
    return answer.status


@pytest.mark.parametrize("method", ["OPTIONS", "NOTIFY", "MESSAGE", "INFO"])
def test_these_are_always_answered_200_and_told(net: Net, method: str) -> None:
    answer = ask(net, method, "Event: message-summary", "Content-Type: text/plain", body="hello")
    assert status(answer) == 200 and answer is not None and answer.to.tag
    told = net.take("phone", RequestReceived)
    assert (told.request.method, told.session, told.answered, told.request.text) == (method, None, True, "hello")
    session, _ = net.answer_server()
    assert status(ask(net, method, number=9, branch="z9hG4bK8", **inside(net, session))) == 200
    assert net.take("phone", RequestReceived).session == session


def test_options_says_what_we_take(net: Net) -> None:
    answer = ask(net, "OPTIONS")
    assert answer is not None
    assert {"INVITE", "BYE", "UPDATE", "INFO"} <= answer.allow
    assert answer.headers.get("Accept") == "application/sdp"


@pytest.mark.parametrize(
    ("method", "expected"),
    [("REFER", 603), ("SUBSCRIBE", 489), ("PUBLISH", 405), ("REGISTER", 405), ("FOO", 405), ("BYE", 481),
     ("UPDATE", 481), ("PRACK", 481), ("CANCEL", 481)],
)  # fmt: skip
def test_what_means_nothing_here(net: Net, method: str, expected: int) -> None:
    answer = ask(net, method)
    assert status(answer) == expected
    if expected == 405 and answer is not None:
        assert "INVITE" in answer.allow
    assert net.count("phone", RequestReceived) == 0
    net.run(40)
    assert len(net.phone) == 0


def test_a_refer_in_a_session_is_declined(net: Net) -> None:
    session, _ = net.answer_server()
    assert status(ask(net, "REFER", "Refer-To: <sip:x@y>", **inside(net, session))) == 603
    assert net.phone.session(session).state == "established"


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "UPDATE", "OPTIONS"])
def test_an_unknown_dialog(net: Net, method: str) -> None:
    assert status(ask(net, method, tag=";tag=nobody")) == 481
    session, _ = net.answer_server()
    other: Inside = {**inside(net, session), "sender": "<sip:x@y>;tag=stranger"}
    assert status(ask(net, method, branch="z9hG4bK9", **other)) == 481


def test_an_ack_is_never_answered(net: Net) -> None:
    assert ask(net, "ACK") is None
    assert ask(net, "ACK", tag=";tag=nobody") is None


def test_requests_out_of_order(net: Net) -> None:
    session, _ = net.answer_server()
    assert status(ask(net, "INFO", number=9, **inside(net, session))) == 200
    assert status(ask(net, "INFO", number=8, branch="z9hG4bK8", **inside(net, session))) == 500


def test_options_that_we_do_not_have(net: Net) -> None:
    answer = ask(net, "INVITE", "Require: foo, replaces", "Require: bar")
    assert status(answer) == 420
    assert answer is not None and answer.headers.get("Unsupported") == "bar, foo"
    assert net.count("phone", InviteReceived) == 0


def test_an_invite_that_came_by_two_ways_is_taken_once(net: Net) -> None:
    assert status(ask(net, "INVITE", "Contact: <sip:pbx@h>")) == 100
    assert status(ask(net, "INVITE", "Contact: <sip:pbx@h>", branch="z9hG4bKother")) == 482
    assert net.count("phone", InviteReceived) == 1


@pytest.mark.parametrize(
    ("extra", "target", "expected"),
    [
        ((), "sip:1001@phone.invalid", 400),
        (("Contact: <sip:pbx@h>", "Content-Type: text/plain"), "sip:1001@phone.invalid", 415),
        (("Contact: <sip:pbx@h>",), "tel:+4912345", 416),
        (("Contact: <sip:pbx@h",), "sip:1001@phone.invalid", 400),
        (("Contact: <sip:pbx@h>", "Max-Forwards: x"), "sip:1001@phone.invalid", 400),
    ],
)
def test_invites_that_cannot_be_taken(net: Net, extra: tuple[str, ...], target: str, expected: int) -> None:
    body = "hello" if expected == 415 else ""
    assert status(ask(net, "INVITE", *extra, target=target, body=body)) == expected
    assert net.count("phone", InviteReceived) == 0
    assert net.phone.sessions() == []


def test_max_forwards_of_zero_is_no_matter_at_the_end_of_the_way(net: Net) -> None:
    net.send_raw(
        "phone",
        "OPTIONS sip:1001@phone.invalid SIP/2.0\nVia: SIP/2.0/WS h;branch=z9hG4bK1\nMax-Forwards: 0\n"
        "From: <sip:a@b>;tag=1\nTo: <sip:1001@x>\nCall-ID: z\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n",
    )
    assert net.sent("phone")[-1] == "200 OPTIONS"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "OPTIONS sip:x SIP/2.0\n\n",
        "OPTIONS sip:x SIP/2.0\nVia: SIP/2.0/WS h;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\nTo: <sip:x\n"
        "Call-ID: z\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n",
        "SIP/2.0 200 OK\n\n",
        "SIP/2.0 200 OK\nVia: SIP/2.0/WS h;branch=z9hG4bK1\nFrom: x\nTo: y\nCall-ID: z\nCSeq: 1 OPTIONS\n\n",
        "SIP/2.0 200 OK\nVia: SIP/2.0/WS h;branch=z9hG4bKunknown\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\n"
        "Call-ID: z\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n",
        "",
    ],
)
def test_what_cannot_be_read_is_dropped(net: Net, text: str) -> None:
    net.send_raw("phone", text)
    assert net.sent("phone") == ["REGISTER"]


def test_a_request_that_can_be_read_but_is_wrong_is_answered_400(net: Net) -> None:
    net.send_raw(
        "phone",
        "OPTIONS sip:x SIP/2.0\nVia: SIP/2.0/WS h;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\nTo: <sip:x>\n"
        "Call-ID: z\nCSeq: 1 INFO\nContent-Length: 0\n\n",
    )
    answer = next(m for _, w, m in reversed(net.wire) if w == "phone")
    assert isinstance(answer, Response) and answer.status == 400


def test_freeswitch_tells_who_the_other_party_is(net: Net) -> None:
    session, _ = net.answer_server()
    headers = ("Content-Type: message/update_display", "X-FS-Display-Name: Café Müller", "X-FS-Display-Number: 4713")
    before = len(net.wire)
    text = "\r\n".join(
        [
            "INFO sip:1001@phone.invalid SIP/2.0",
            "Via: SIP/2.0/WS 127.0.0.1:5066;branch=z9hG4bKinfo",
            f"From: {inside(net, session)['sender']}",
            f"To: <sip:1001@example.org>{inside(net, session)['tag']}",
            f"Call-ID: {inside(net, session)['call']}",
            "CSeq: 9 INFO",
            *headers,
            "Content-Length: 0",
        ]
    )
    net.send_raw("phone", (text + "\r\n\r\n").encode())
    assert net.take("phone", DisplayUpdated) == DisplayUpdated(session, "Café Müller", "4713", attended=False)
    assert len(net.wire) == before + 1 and net.sent("phone")[-1] == "200 INFO"
    answer = ask(net, "INFO", *headers[:1], "X-FS-Display-Number: 1012", "X-FS-Attended-Transfer: true", number=10,
                 **inside(net, session))  # fmt: skip
    assert status(answer) == 200
    assert net.take("phone", DisplayUpdated) == DisplayUpdated(session, None, "1012", attended=True)
    answer = ask(net, "INFO", *headers[:1], "X-FS-Display-Number: 1013", "X-FS-Lazy-Attended-Transfer: true", number=11,
                 branch="z9hG4bKl", **inside(net, session))  # fmt: skip
    assert status(answer) == 200
    assert net.take("phone", DisplayUpdated) == DisplayUpdated(session, None, "1013", attended=True)
    answer = ask(net, "UPDATE", "X-FS-Display-Name: Bob", "Contact: <sip:moved@h>", number=12, branch="z9hG4bKu",
                 **inside(net, session))  # fmt: skip
    assert status(answer) == 200
    assert net.take("phone", DisplayUpdated).name == "Bob"
    assert net.phone.session(session).remote_target == "sip:moved@h"
    assert net.count("phone", RequestReceived) == 0


def test_display_news_without_content_are_an_info_like_others(net: Net) -> None:
    session, _ = net.answer_server()
    assert status(ask(net, "INFO", "Content-Type: message/update_display", **inside(net, session))) == 200
    assert net.take("phone", RequestReceived).session == session


def test_the_owner_may_answer_by_itself(make_net: type[Net]) -> None:
    net = make_net(pass_up=frozenset({"REGISTER", "MESSAGE", "INFO", "REFER"}))
    net.connect()
    session, called = net.answer_server()
    id = net.phone.info(session, "application/dtmf-relay", "Signal=5\r\n", net.now)
    net.drain()
    asked = net.take("server", RequestReceived)
    assert (asked.session, asked.answered, asked.request.text) == (called, False, "Signal=5\r\n")
    net.server.respond(asked.key, 183, net.now)
    net.server.respond(asked.key, 202, net.now, phrase="Fine", headers=(("X-A", "b"),), body="text")
    net.drain()
    with pytest.raises(StateError):
        net.server.respond(asked.key, 200, net.now)
    answer = net.responses("server", "INFO")[-1][1]
    assert (answer.status, answer.phrase, answer.text, answer.content_type) == (202, "Fine", "text", "text/plain")
    assert id


def test_what_the_owner_forgets_is_forgotten(make_net: type[Net]) -> None:
    net = make_net(pass_up=frozenset({"REGISTER", "MESSAGE"}))
    net.connect()
    net.phone.request("MESSAGE", "sip:x@example.org", net.now, body="hi")
    net.drain()
    asked = net.take("server", RequestReceived)
    net.run(33)
    with pytest.raises(StateError):
        net.server.respond(asked.key, 200, net.now)
    net.assert_clean()


def test_a_challenge_to_an_invite_is_a_cheap_refusal(make_net: type[Net]) -> None:
    net = make_net()
    net.connect()
    net.phone.invite("sip:9196@example.org", net.OFFER, net.now)
    net.drain()
    asked = net.take("server", InviteReceived)
    challenge = ("Proxy-Authenticate", 'Digest realm="example.org", nonce="n", algorithm=MD5, qop="auth"')
    net.server.reject(asked.session, 407, net.now, headers=(challenge,))
    net.drain()
    ended = net.take("server", SessionEnded)
    assert (ended.end, ended.status) == (End.REFUSED, 407)
    again = net.take("server", InviteReceived).request
    assert (again.cseq.number, again.call_id) == (2, asked.request.call_id)
    assert (again.headers.get("Proxy-Authorization") or "").startswith("Digest ")
    assert net.sent("phone")[1:4] == ["INVITE", "ACK", "INVITE"]


def test_an_ack_goes_with_its_refusal(net: Net) -> None:
    _, session = net.call_phone()
    net.phone.reject(session, 486, net.now)
    net.drain()
    net.run(0)
    assert len(net.phone) == 0


def test_a_bye_that_crosses_ours_is_answered(net: Net) -> None:
    session, called = net.answer_server()
    net.phone.hangup(session, net.now)
    net.server.hangup(called, net.now)
    net.drain()
    assert net.sent("phone")[-1] == "200 BYE" and net.sent("server")[-1] == "200 BYE"
    assert net.count("phone", SessionEnded) == net.count("server", SessionEnded) == 1
    net.assert_clean()


def test_what_comes_after_our_bye_finds_no_session(net: Net) -> None:
    session, _ = net.answer_server()
    args = inside(net, session)
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "BYE"
    net.phone.hangup(session, net.now)
    net.drain()
    assert status(ask(net, "INFO", **args)) == 481
    assert status(ask(net, "PRACK", branch="z9hG4bKp", number=6, **args)) == 481
    net.drop = lambda who, message: False
    net.run(33)


def replacing(net: Net, name: str, more: str = "") -> Response | None:
    return ask(
        net, "INVITE", f"Replaces: {name}", *([more] if more else []), "Contact: <sip:pbx@h>",
        "Content-Type: application/sdp", body=net.OFFER, branch=f"z9hG4bK{len(net.wire)}", call=f"r{len(net.wire)}",
    )  # fmt: skip


def name_of(net: Net, session: str) -> str:
    """The dialog as the other side names it."""
    view = net.phone.session(session)
    return f"{view.call_id};to-tag={view.local_tag};from-tag={view.remote_tag}"


@pytest.mark.parametrize("caller", [True, False])
def test_a_call_takes_the_place_of_another(net: Net, caller: bool) -> None:
    session = net.answer_server()[0] if caller else net.answer_phone()[1]
    assert status(replacing(net, name_of(net, session), "Referred-By: <sip:1002@example.org>")) == 100
    told = net.take("phone", InviteReceived)
    assert told.replaces == session
    assert told.request.referred_by is not None and told.request.referred_by.uri.user == "1002"
    assert net.phone.session(session).state == "established", "until the new call is taken"
    net.phone.accept(told.session, net.ANSWER, net.now)
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end) == (session, End.BYE)
    bye = net.requests("phone", "BYE")[-1][1]
    assert bye.reasons[0].text == "Call completed elsewhere"
    assert net.sent("phone")[-2:] == ["200 INVITE", "BYE"]


def test_a_refused_replacement_changes_nothing(net: Net) -> None:
    session, _ = net.answer_server()
    replacing(net, name_of(net, session))
    net.phone.reject(net.take("phone", InviteReceived).session, 486, net.now)
    net.drain()
    assert net.phone.session(session).state == "established"


def test_a_call_of_ours_that_rings_elsewhere_is_picked_up_here(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.drain()
    assert status(replacing(net, f"{name_of(net, session)};early-only")) == 100
    told = net.take("phone", InviteReceived)
    net.phone.accept(told.session, net.ANSWER, net.now)
    net.drain()
    assert "CANCEL" in net.sent("phone")
    assert net.take("phone", SessionEnded).session == session


def test_what_cannot_be_replaced(net: Net) -> None:
    session, _ = net.answer_server()
    name = name_of(net, session)
    assert status(replacing(net, "nobody;to-tag=a;from-tag=b")) == 481
    assert status(replacing(net, name.replace("from-tag=", "from-tag=x"))) == 481
    assert status(replacing(net, name, f"Replaces: {name}")) == 400
    assert status(replacing(net, "nonsense")) == 400
    assert status(replacing(net, f"{name};early-only")) == 486
    _, ringing = net.call_phone()
    assert status(replacing(net, name_of(net, ringing))) == 481, "it rings here, and is not ours"
    net.drop = lambda who, message: True
    net.phone.hangup(session, net.now)
    net.drain()
    net.drop = lambda who, message: False
    assert status(replacing(net, name)) == 603


def test_a_replacement_whose_call_has_ended_meanwhile(net: Net) -> None:
    session, _ = net.answer_server()
    replacing(net, name_of(net, session))
    told = net.take("phone", InviteReceived)
    net.phone.hangup(session, net.now)
    net.drain()
    net.phone.accept(told.session, net.ANSWER, net.now)
    net.drain()
    assert len(net.requests("phone", "BYE")) == 1


def test_we_take_the_place_of_a_call_of_ours(net: Net) -> None:
    session, called = net.answer_server()
    second = net.phone.invite("sip:recover@example.org", net.OFFER, net.now, replaces=session)
    net.drain()
    told = net.take("server", InviteReceived)
    assert told.replaces == called and "replaces" in told.request.require
    net.server.accept(told.session, net.ANSWER, net.now, contact=Address.parse("<sip:9196@10.0.0.1:5060>"))
    net.drain()
    assert net.take("phone", SessionEnded).session == session
    assert net.phone.sessions() == [second]
    with pytest.raises(StateError):
        net.phone.invite("sip:x@y", net.OFFER, net.now, replaces="nothing")
    net.phone.hangup(second, net.now)
    net.assert_clean()


def test_a_call_without_a_dialog_cannot_be_replaced(net: Net) -> None:
    net.drop = lambda who, message: who == "server"
    session, _ = net.call_server()
    with pytest.raises(StateError):
        net.phone.invite("sip:x@y", net.OFFER, net.now, replaces=session)
