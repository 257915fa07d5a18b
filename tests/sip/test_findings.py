"""What fuzzing found (fuzz/RESULTS.md), each as the input that showed it, and as what ought to happen.

Findings of the parser alone are in test_parser.py and test_fields.py where they fit; here are those of the user agent,
and every input goes through its fuzz target once more.
"""

from __future__ import annotations

import base64
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from offhook.clock import Timers
from offhook.errors import ParseError
from offhook.sip.events import InviteReceived, RequestReceived, SessionEnded
from offhook.sip.flow import FlowOpened, FlowReceived, Send
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.user_agent import UserAgent
from offhook.testing.clock import SeededIds, VirtualClock

HEAD = (
    b"Via: SIP/2.0/WS h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=f\r\nTo: <sip:b@h>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\nContact: <sip:a@h>\r\n"
)
INVITE = b"INVITE sip:b@h SIP/2.0\r\n" + HEAD


def target(file: str, function: str) -> Callable[[bytes], None]:
    """A function of a file of fuzz/."""
    found: Callable[[bytes], None] = getattr(importlib.import_module(file), function)
    return found


def answer(data: bytes) -> tuple[list[Response], UserAgent]:
    """What a user agent answers to one message."""
    agent = UserAgent(None, timers=Timers(), ids=SeededIds(1), style=Style(trying=False))
    now = VirtualClock().now()
    agent.receive(FlowOpened("flow", "192.0.2.1:5060", "192.0.2.2:5060"), now)
    agent.receive(FlowReceived("flow", data), now)
    got = [parse_message(output.data) for output in agent.outputs() if isinstance(output, Send)]
    return [it for it in got if isinstance(it, Response)], agent


class TestInputs:
    """The octets as atheris wrote them."""

    @pytest.mark.parametrize(
        "data",
        [
            b"\0" + INVITE + b"Allow: \\\0\r\nSupported: a, \\\0\r\nRequire: \\\0\r\n\r\n",
            b"\0" + INVITE + b"Content-Type: \\\0\r\n\r\n",
            b"\0CANCEL sip:a:b@h:5060;transpx=%41?A\xec\xec\xecb=\xec&C=\xd6%8B SIP/2.0\r\nVia: th\x0f\r\n\r\n",
        ],
        ids=["words with NUL", "content type with NUL", "half a character in a URI"],
    )
    def test_parse(self, data: bytes) -> None:
        target("targets", "parse")(data)

    @pytest.mark.parametrize(
        "code",
        ["DwIFBA0HAA==", "DwIKAAAJgSMCAgUAAC4AAAKBgQ==", "B3gCHAAAAwMCBQIPBgQEBNoCArwAAAJugQAAAoE="],
        ids=["2xx without a tag", "headers in a target", "BYE to a fork"],
    )
    def test_agent(self, code: str) -> None:
        target("agent_target", "check")(base64.b64decode(code))


class TestWords:
    def test_require_with_nul_is_no_request(self) -> None:
        """A NUL may stand behind a backslash, but no option tag has one: 400, and nothing that cannot be written."""
        for line in (b"Require: \\\0\r\n", b"Require: a, \\\0b\r\n"):
            responses, agent = answer(INVITE + line + b"\r\n")
            assert [response.status for response in responses] == [400]
            assert not agent.sessions()

    def test_words_are_tokens(self) -> None:
        message = parse_message(INVITE + b"Allow: \\\0\r\nSupported: <\r\n\r\n")
        for name in ("allow", "supported"):
            with pytest.raises(ParseError):
                getattr(message, name)

    def test_supported_that_cannot_be_read_is_no_harm(self) -> None:
        responses, agent = answer(INVITE + b"Supported: <\r\nAllow: <\r\n\r\n")
        assert [response.status for response in responses] in ([], [400])
        assert len(agent.sessions()) == (0 if responses else 1)

    def test_a_content_type_is_two_tokens(self) -> None:
        for value in (b"\\\0", b"a", b"a/", b"/b", b"a b/c"):
            with pytest.raises(ParseError):
                _ = parse_message(INVITE + b"Content-Type: " + value + b"\r\n\r\n").content_type
        assert parse_message(INVITE + b"Content-Type: A/B ; c=d\r\n\r\n").content_type == "a/b"


class TestRefusals:
    def test_each_header_once(self) -> None:
        """A request with two From lines is refused; the refusal has one (RFC 3261 §7.3.1)."""
        responses, _ = answer(INVITE + b"From: <sip:x@h>;tag=g\r\nCall-ID: j\r\nTo: <sip:y@h>\r\n\r\n")
        assert [response.status for response in responses] == [400]
        for name in ("From", "To", "Call-ID", "CSeq"):
            assert len(responses[0].headers.all(name)) == 1
        assert responses[0].call_id == "i"


class TestSessions:
    def test_a_2xx_without_a_tag_ends_the_call(self, net: Any) -> None:
        """No dialog can be made of it (RFC 3261 §12.1.2), and the transaction waits for nothing more."""
        for hang_up in (False, True):
            net.told["phone"].clear()
            net.drop = lambda who, message: who == "server"
            caller = net.phone.invite("sip:9196@example.org", net.OFFER, net.now)
            net.drain()
            invite = net.requests("phone", "INVITE")[-1][1]
            net.send_raw("phone", invite.response(200).serialize())
            if hang_up and caller in net.phone.sessions():
                net.phone.hangup(caller, net.now)
            net.run(400)
            assert net.count("phone", SessionEnded) == 1
            assert caller not in net.phone.sessions()
            net.drop = lambda who, message: False
        for session in net.server.sessions():
            net.server.hangup(session, net.now)
        net.assert_clean()

    def test_a_request_uri_has_no_headers(self, net: Any) -> None:
        """A Contact may have them; what is sent to it must not (RFC 3261 §19.1.1)."""
        caller = net.phone.invite("sip:9196@example.org", net.OFFER, net.now)
        net.drain()
        called = net.take("server", InviteReceived).session
        invite = net.requests("phone", "INVITE")[-1][1]
        response = invite.response(200, to_tag="t")
        response.headers.add("Contact", "<sip:x@h;x=y?a=b>")
        response.headers.add("Content-Type", "application/sdp")
        response.body = net.ANSWER.encode()
        net.send_raw("phone", response.serialize())
        net.phone.hangup(caller, net.now)
        net.drain()
        assert {request.uri for name in ("ACK", "BYE") for _, request in net.requests("phone", name)} == {"sip:x@h;x=y"}
        assert all(isinstance(request, Request) for _, request in net.requests("phone", "BYE"))
        net.server.reject(called, 486, net.now)
        net.assert_clean()


class TestReinvites:
    """A re-INVITE that got 100 and nothing else; found by test_properties.py."""

    def waiting(self, net: Any) -> tuple[str, str]:
        """A call whose re-INVITE by the phone got 100; the answer to it is lost."""
        ours, theirs = net.answer_server()
        net.phone.reinvite(ours, net.sdp(1, 2), net.now)
        net.drain()
        net.drop = lambda who, message: who == "server" and message.cseq.method == "INVITE"
        net.server.answer(theirs, net.sdp(9, 2), net.now)
        net.drain()
        return ours, theirs

    def test_it_ends_with_the_session(self, net: Any) -> None:
        ours, theirs = self.waiting(net)
        net.phone.hangup(ours, net.now)
        net.drain()
        net.drop = lambda who, message: False
        assert theirs not in net.server.sessions()
        net.assert_clean()

    def test_it_does_not_stop_the_session(self, net: Any) -> None:
        ours, _ = self.waiting(net)
        net.drop = lambda who, message: who == "server" and message.cseq.method in ("INVITE", "BYE")
        net.run(400)
        assert ours not in net.phone.sessions() or not net.phone.session(ours).renegotiating


class TestDigestLeak:
    """A far end that challenges requests of ours, relayed by a proxy, gets no credentials (RFC 3261 §22.1)."""

    def challenge(self, net: Any, method: str, status: int, realm: str) -> Request:
        """Answer the phone's last request by a challenge; what it sends then (the same where it sends nothing)."""
        request = net.requests("phone", method)[-1][1]
        refusal = request.response(status, to_tag=request.to.tag or "t")
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        refusal.headers.add(name, f'Digest realm="{realm}", nonce="n{realm}", algorithm=MD5, qop="auth"')
        net.send_raw("phone", refusal.serialize())
        last: Request = net.requests("phone", method)[-1][1]
        return last

    def registered(self, make_net: Callable[..., Any], realm: str | None) -> Any:
        """A phone whose REGISTER was challenged for a realm, or not at all."""
        net = make_net()
        if realm is not None:
            net.registrar, registrar = None, net.registrar
            net.phone.start(net.now)
            net.run(0)
            net.drop = lambda who, message: who == "server"
            assert self.challenge(net, "REGISTER", 401, realm).headers.get("Authorization")
            net.drop = lambda who, message: False
            net.registrar = registrar
            for event in [it for it in net.told["server"] if isinstance(it, RequestReceived)]:
                net.told["server"].remove(event)
                registrar(net, event)
            net.drain()
            assert net.phone.registered
        else:
            net.connect()
        return net

    @pytest.mark.parametrize("status", [401, 407])
    @pytest.mark.parametrize("realm", [None, "example.org", "pbx"])
    @pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "UPDATE"])
    def test_a_strange_realm(self, make_net: Callable[..., Any], method: str, realm: str | None, status: int) -> None:
        net = self.registered(make_net, realm)
        session, _ = net.answer_server()
        net.drop = lambda who, message: who == "server"
        match method:
            case "BYE":
                net.phone.hangup(session, net.now)
            case "INVITE":
                net.phone.reinvite(session, net.sdp(1, 2), net.now)
            case "INFO":
                net.phone.info(session, "text/plain", "x", net.now)
            case _:
                net.phone.update(session, net.now)
        net.drain()
        again = self.challenge(net, method, status, "evil")
        for name in ("Authorization", "Proxy-Authorization"):
            assert name not in again.headers

    @pytest.mark.parametrize("method", ["BYE", "INVITE"])
    def test_the_realm_of_the_server(self, make_net: Callable[..., Any], method: str) -> None:
        """The server itself may challenge within a dialog, for the realm that we are registered in."""
        net = self.registered(make_net, "pbx")
        session, _ = net.answer_server()
        net.drop = lambda who, message: who == "server"
        if method == "BYE":
            net.phone.hangup(session, net.now)
        else:
            net.phone.reinvite(session, net.sdp(1, 2), net.now)
        net.drain()
        assert "Proxy-Authorization" in self.challenge(net, method, 407, "pbx").headers
