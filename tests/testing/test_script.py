"""The scripted peer says what it is told, expects what it is told, and fails with the ladder."""

from __future__ import annotations

import re

import pytest

from offhook.testing.network import Conditions, Network
from offhook.testing.pair import sdp
from offhook.testing.script import ScriptedPeer, describe, fits

INVITE = """
    INVITE sip:{user}@example.org SIP/2.0
    Via: SIP/2.0/WS caller.invalid;branch={branch}
    From: <sip:1000@example.org>;tag={tag}
    To: <sip:{user}@example.org>
    Call-ID: {call_id}
    CSeq: 1 INVITE
    Contact: <sip:1000@caller.invalid;transport=ws>
    X-Queue: support
    Content-Type: application/sdp

    {sdp}
    """


class Two:
    """Two scripted peers with a flow between them."""

    def __init__(self) -> None:
        self.network = Network(conditions=Conditions(delay=0.01))
        self.server = ScriptedPeer(self.network, "server", url="ws://server", answers=("OPTIONS", "REGISTER"))
        self.caller = ScriptedPeer(self.network, "caller")
        self.caller.connect("ws://server")


@pytest.fixture
def two() -> Two:
    return Two()


def test_a_call_from_ringing_to_the_end(two: Two) -> None:
    sent = two.caller.send(INVITE, user="1001", sdp=sdp("caller"))
    invite = two.server.expect_request(
        "INVITE",
        headers={"X-Queue": "support", "Via": re.compile("branch=z9hG4bK"), "X-Other": None, "CSeq": str.isprintable},
        body=sdp("caller"),
    )
    assert invite.call_id == sent.call_id
    two.server.respond(invite, 100)
    two.server.respond(invite, 180)
    answer = two.server.respond(invite, 200, headers=[("X-More", "yes")], body=sdp("server"))
    assert two.caller.expect_response(100).to.tag is None
    ringing = two.caller.expect_response(180, "INVITE", body=None)
    ok = two.caller.expect_response(200, headers={"X-More": "yes"}, body=re.compile("o=server"))
    assert ringing.to.tag == ok.to.tag == answer.to.tag
    assert ok.contact is not None
    two.server.send(
        """
        BYE {invite.contact.uri} SIP/2.0
        Via: SIP/2.0/WS server.invalid;branch={branch}
        From: {answer.to}
        To: {invite.from_}
        Call-ID: {invite.call_id}
        CSeq: 1 BYE
        """,
        invite=invite,
        answer=answer,
    )
    bye = two.caller.expect_request("BYE", body=None)
    assert bye.uri == "sip:1000@caller.invalid;transport=ws"
    assert bye.from_.tag == ok.to.tag
    two.caller.respond(bye, 200)
    two.server.expect_response(200, "BYE")
    two.server.expect_nothing(60.0)


def test_every_sending_has_ids_of_its_own_unless_they_are_given(two: Two) -> None:
    one, other = (two.caller.send(INVITE, user="1001", sdp=sdp("caller")) for _ in range(2))
    assert one.call_id != other.call_id
    assert one.via.branch != other.via.branch
    assert one.from_.tag != other.from_.tag
    assert two.caller.send(INVITE, user="1", sdp="v=0", call_id="mine").call_id == "mine"


def test_the_length_is_right_and_a_given_one_is_left(two: Two) -> None:
    sent = two.caller.send("MESSAGE sip:a SIP/2.0\nCall-ID: 1\n\nGrüße\nund mehr")
    assert sent.body == "Grüße\r\nund mehr\r\n".encode()
    assert sent.headers.get("Content-Length") == str(len(sent.body))
    assert two.caller.send("MESSAGE sip:a SIP/2.0\nCall-ID: 1\nContent-Length: 2\n\nlong").body == b"lo"


def test_methods_that_are_answered_by_themselves(two: Two) -> None:
    head = "Via: SIP/2.0/WS x;branch={branch}\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: 1\nCSeq: 1 "
    two.caller.send("REGISTER sip:b SIP/2.0\n" + head + "REGISTER\nContact: <sip:a@x>\nExpires: 60")
    two.caller.expect_response(200, "REGISTER", headers={"Contact": "<sip:a@x>", "Expires": "60"})
    two.caller.send("OPTIONS sip:b SIP/2.0\n" + head + "OPTIONS")
    two.caller.expect_response(200, "OPTIONS", headers={"Contact": None})
    two.server.expect_nothing(1.0)


def test_what_is_wrong_is_said_with_the_ladder(two: Two) -> None:
    two.caller.send(INVITE, user="1001", sdp=sdp("caller"))
    with pytest.raises(AssertionError, match="(?s)expected BYE, got INVITE.*caller.*INVITE"):
        two.server.expect_request("BYE")
    two.caller.send(INVITE, user="1001", sdp=sdp("caller"))
    with pytest.raises(AssertionError, match="expected 200, got INVITE"):
        two.server.expect_response(200)
    two.caller.send(INVITE, user="1001", sdp=sdp("caller"))
    with pytest.raises(AssertionError, match="INVITE has X-Queue: 'support', not 'sales'"):
        two.server.expect_request("INVITE", headers={"X-Queue": "sales"})
    two.caller.send(INVITE, user="1001", sdp=sdp("caller"))
    with pytest.raises(AssertionError, match="INVITE has the body"):
        two.server.expect_request("INVITE", body=None)
    two.caller.send(INVITE, user="1001", sdp=sdp("caller"))
    invite = two.server.expect_request("INVITE")
    two.server.respond(invite, 486)
    with pytest.raises(AssertionError, match=r"expected 486 \(BYE\), got 486 Busy Here \(INVITE\)"):
        two.caller.expect_response(486, "BYE")
    with pytest.raises(AssertionError, match="waited 3 s in vain for ACK at server"):
        two.server.expect_request("ACK", within=3.0)


def test_silence_that_is_broken(two: Two) -> None:
    two.caller.send_raw(b"this is no SIP")
    with pytest.raises(AssertionError, match="expected silence for 1 s, got 14 octets that are no SIP message"):
        two.server.expect_nothing(1.0)


def test_flows_that_fail_and_close(two: Two) -> None:
    with pytest.raises(AssertionError, match="ws://nobody cannot be reached"):
        two.caller.connect("ws://nobody", "other")
    two.caller.close()
    two.network.run(1.0)
    assert [told.flow for told in two.caller.closed] == ["other", "flow"]
    assert len(two.server.closed) == 1


@pytest.mark.parametrize(
    ("value", "check", "yes"),
    [
        ("a", "a", True),
        ("ab", "a", False),
        ("ab", re.compile("b"), True),
        ("ab", re.compile("c"), False),
        ("a", str.isalpha, True),
        ("1", str.isalpha, False),
        ("a", None, False),
        (None, None, True),
        (None, "a", False),
        (None, str.isalpha, False),
    ],
)
def test_checks(value: str | None, check: object, yes: bool) -> None:
    assert fits(value, check) is yes  # type: ignore[arg-type]


def test_messages_in_a_few_words() -> None:
    assert describe(b"\0\0") == "2 octets that are no SIP message"
