"""The torture messages of RFC 4475 and the IPv6 messages of RFC 5118, by the parser and by a whole user agent.

They lie beside the project in ../shared/corpora (or where OFFHOOK_CORPORA points); without them all of this is skipped.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from offhook.clock import Now, Timers
from offhook.errors import ParseError
from offhook.sip.events import InviteReceived, RequestReceived, SessionEnded
from offhook.sip.flow import FlowOpened, FlowReceived, Send
from offhook.sip.message import Message, Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.user_agent import UserAgent
from offhook.testing.clock import SeededIds, VirtualClock

CORPORA = Path(os.environ.get("OFFHOOK_CORPORA") or Path(__file__).parents[3] / "shared" / "corpora")
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"the message corpora are not at {CORPORA}")

DROPPED: tuple[int, ...] = ()
RINGS: tuple[int, ...] = (100, 180)
NO_SUCH_CALL = (481,)

# What a user agent makes of each of the 49 (a REGISTER is passed up and taken): the statuses that it sends, in order.
ANSWERS: dict[str, tuple[int, ...]] = {
    "wsinv": NO_SUCH_CALL,
    "intmeth": (405,),
    "esc01": RINGS,
    "escnull": (200,),
    "esc02": (405,),
    "lwsdisp": (200,),
    "longreq": RINGS,
    "dblreq": (200,),
    "semiuri": (200,),
    "transports": (200,),
    "mpart01": (200,),
    "unreason": DROPPED,
    "noreason": DROPPED,
    "badinv01": DROPPED,
    "clerr": DROPPED,
    "ncl": DROPPED,
    "scalar02": DROPPED,
    "scalarlg": DROPPED,
    "quotbal": DROPPED,
    "ltgtruri": DROPPED,
    "lwsruri": DROPPED,
    "lwsstart": DROPPED,
    "trws": DROPPED,
    "escruri": (400,),
    "baddate": RINGS,
    "regbadct": (400,),
    "badaspec": DROPPED,
    "baddn": DROPPED,
    "badvers": (505,),
    "mismatch01": (400,),
    "mismatch02": (400,),
    "bigcode": DROPPED,
    "badbranch": (200,),
    "insuf": DROPPED,
    "unkscm": (416,),
    "novelsc": (416,),
    "unksm2": (200,),
    "bext01": (420,),
    "invut": (415,),
    "regaut01": (200,),
    "multi01": (400,),
    "mcl01": DROPPED,
    "bcast": DROPPED,
    "zeromf": (200,),
    "cparam01": (200,),
    "cparam02": (200,),
    "regescrt": (200,),
    "sdp01": (406,),
    "inv2543": (400,),
}

# Where a user agent does otherwise than the row of expected.tsv, or than the RFC's own text, and why.
DEVIATIONS: dict[str, str] = {
    "insuf": "RFC 4475 §3.3.1 speaks of 400; without Call-ID, From and To nobody could tell what the answer is to",
    "inv2543": "RFC 4475 §3.4.1 would go on; an INVITE without a Contact makes no dialog (RFC 3261 §8.1.1.8)",
    "baddate": "RFC 4475 §3.1.2.12 allows 400; nobody needs the Date of a call, so it rings",
    **dict.fromkeys(
        ("badinv01", "scalar02", "scalarlg", "quotbal", "badaspec"),
        "RFC 4475 speaks of 400; a response copies Via, To and CSeq, and one of these cannot be read",
    ),
    **dict.fromkeys(
        ("clerr", "ncl", "ltgtruri", "lwsruri", "lwsstart", "trws", "baddn", "mcl01"),
        "RFC 4475 speaks of 400; what cannot be cut into a message is not answered, because guesses are an attack",
    ),
}


def rows() -> list[dict[str, str]]:
    table = CORPORA / "rfc4475" / "expected.tsv"
    if not table.is_file():
        return []
    with table.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def torture(name: str) -> bytes:
    return (CORPORA / "rfc4475" / f"{name}.dat").read_bytes()


def ipv6(path: Path) -> bytes:
    """A message of RFC 5118 with CRLF, and completed.

    Two files end without the empty line and one counts 17 octets too many, as the RFC prints them. The framing of a
    datagram is strict here (`baddn` and `clerr` of RFC 4475 are refused for the same), so they are completed first.
    """
    data = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    head = re.sub(rb"(?<=\r\nContent-Length: )[0-9]+", b"%d" % len(body), head.removesuffix(b"\r\n"))
    return head + b"\r\n\r\n" + body


def read_everything(message: Message) -> None:
    """Every typed header; what is not there or cannot be read is a ParseError."""
    for kind in type(message).__mro__:
        for name, it in vars(kind).items():
            if isinstance(it, property):
                try:
                    getattr(message, name)
                except ParseError:
                    continue


def hops(message: Message) -> list[object]:
    """The way of a response back. The top one may have learnt where the request came from (RFC 3261 §18.2.1)."""
    top, *others = message.vias
    return [(top.transport, top.host, top.port, top.branch), *others]


class Answerer:
    """A user agent with one flow, to which messages are given as they are; its owner rings, and takes registrations."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = Timers()
        self.agent = UserAgent(
            None,
            timers=self.timers,
            ids=SeededIds(1),
            style=Style(transport="UDP", refresher=False),
            pass_up=frozenset({"REGISTER"}),
        )
        self.sent: list[Response] = []
        self.invites: list[InviteReceived] = []
        self.ended: list[SessionEnded] = []
        self.agent.receive(FlowOpened("flow", "192.0.2.1:5060", "192.0.2.2:5060"), self.now)

    @property
    def now(self) -> Now:
        return self.clock.now()

    def take(self, data: bytes) -> tuple[int, ...]:
        """Give it a message; the statuses of what it answered."""
        self.agent.receive(FlowReceived("flow", data), self.now)
        self.drain()
        return tuple(response.status for response in self.sent)

    def drain(self) -> None:
        while outputs := self.agent.outputs():
            for output in outputs:
                self._see(output)

    def _see(self, output: object) -> None:
        match output:
            case Send(_, data):
                response = parse_message(data)
                assert isinstance(response, Response), "nothing here is asked of the peer"
                _ = (response.via, response.from_, response.to, response.cseq)
                self.sent.append(response)
            case InviteReceived(session):
                self.invites.append(output)
                self.agent.ring(session, self.now)
            case RequestReceived(key, answered=False):
                self.agent.respond(key, 200, self.now)
            case SessionEnded():
                self.ended.append(output)

    def settle(self) -> None:
        """Let the time pass that everything needs to end: nothing stays."""
        for invite in self.invites:
            self.agent.hangup(invite.session, self.now)
        self.clock.run(self.timers, self.now.monotonic + 1000, self.agent.outputs)
        assert (len(self.agent), len(self.timers)) == (0, 0)


class TestTorture:
    """RFC 4475, row by row of expected.tsv."""

    def test_every_message_is_in_the_tables(self) -> None:
        names = [row["file"] for row in rows()]
        assert len(names) == 49
        assert set(ANSWERS) == set(names)
        assert set(DEVIATIONS) <= set(names)

    @pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
    def test_the_parser(self, row: dict[str, str]) -> None:
        """Rows of layer `ua` are messages that parse."""
        data, layer, detail = torture(row["file"]), row["layer"], row["detail"]
        if layer in ("start-line", "framing"):
            with pytest.raises(ParseError):
                parse_message(data)
            return
        message = parse_message(data)
        if layer == "header":
            with pytest.raises(ParseError):
                getattr(message, "contacts" if detail == "Contact" else detail.lower())
        elif layer == "message":
            with pytest.raises(ParseError) as caught:
                message.validate()
            assert caught.value.status == int(detail)
        else:
            message.validate()
            read_everything(message)
            again = parse_message(message.serialize())
            assert list(again.headers)[: len(message.headers)] == list(message.headers)
            assert again.body == message.body

    @pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
    def test_the_user_agent(self, row: dict[str, str]) -> None:
        """All 49 are given to a user agent: it answers as the tables here say, and nothing of it stays."""
        name, layer, detail = row["file"], row["layer"], row["detail"]
        wanted = ANSWERS[name]
        if layer == "ua" or (layer == "message" and name not in DEVIATIONS):
            assert wanted == (DROPPED if detail == "drop" else (int(detail),)), "the table is that of expected.tsv"
        answerer = Answerer()
        assert answerer.take(torture(name)) == wanted
        message = None if layer in ("start-line", "framing") else parse_message(torture(name))
        for response in answerer.sent:
            assert message is not None
            assert hops(response) == hops(message)
            assert response.headers.get("CSeq") == message.headers.get("CSeq")
            assert response.call_id == message.call_id
        assert bool(answerer.agent.sessions()) == (wanted == RINGS)
        answerer.settle()

    def test_what_the_refusals_say(self) -> None:
        extension = Answerer()
        extension.take(torture("bext01"))
        unsupported = extension.sent[0].headers.get("Unsupported") or ""
        assert {it.strip() for it in unsupported.split(",")} == {"nothingsupportsthis", "nothingsupportsthiseither"}
        content = Answerer()
        content.take(torture("invut"))
        assert content.sent[0].headers.get("Accept") == "application/sdp"

    def test_a_repetition_is_answered_the_same(self) -> None:
        for name in ("bext01", "invut", "badvers"):
            answerer = Answerer()
            answerer.take(torture(name))
            answerer.take(torture(name))
            assert [response.status for response in answerer.sent] == [*ANSWERS[name] * 2]
            assert answerer.sent[0].serialize() == answerer.sent[1].serialize()
            assert not answerer.agent.sessions()

    def test_values(self) -> None:
        def message(name: str) -> Message:
            return parse_message(torture(name))

        odd = message("wsinv")
        assert odd.to.tag == "1918181833n"
        assert odd.from_.display_name == 'J Rosenberg \\"'
        assert odd.max_forwards == 68
        assert (odd.cseq.number, odd.cseq.method) == (9, "INVITE")
        assert [(via.transport, via.host, via.branch) for via in odd.vias] == [
            ("UDP", "192.0.2.2", "390skdjuw"),
            ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
            ("UDP", "192.168.255.111", "z9hG4bK30239"),
        ]
        contact = odd.contact
        assert contact is not None
        assert contact.display_name == 'Quoted string ""'
        assert list(contact.parameters) == [("newparam", "newvalue"), ("secondparam", None), ("q", "0.33")]
        assert odd.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
        assert odd.headers.get("Subject") == ""
        assert message("intmeth").to.display_name == "BEL:\x07 NUL:\0 DEL:\x7f"
        assert [contact.uri.host for contact in message("esc02").contacts] == ["host1.example.com", "host3.example.com"]
        assert message("escnull").to.uri.user == "null-\0-null"
        assert len(message("longreq").vias) == 34
        assert message("dblreq").body == b""
        assert len(message("mpart01").body) == 553
        assert message("lwsdisp").from_.display_name == "caller"


# RFC 5118, which has no table of outcomes: what a user agent makes of each.
IPV6_ANSWERS: dict[str, tuple[int, ...]] = {
    "ipv4-mapped-ipv6": RINGS,
    "ipv6-bad": (400,),
    "ipv6-bug-abnf-3-colons": (200,),
    "ipv6-correct-abnf-2-colons": (200,),
    "ipv6-good": (200,),
    "ipv6-in-sdp": RINGS,
    "mult-ip-in-header": NO_SUCH_CALL,
    "mult-ip-in-sdp": RINGS,
    "port-ambiguous": (200,),
    "port-unambiguous": (200,),
    "via-received-param-no-delim": (200,),
    "via-received-param-with-delim": NO_SUCH_CALL,
}


class TestIpv6:
    """RFC 5118: only `ipv6-bad`, whose Request-URI lacks brackets, is refused."""

    def test_every_message_is_in_the_table(self) -> None:
        assert set(IPV6_ANSWERS) == {path.name for path in (CORPORA / "rfc5118").iterdir()}

    @pytest.mark.parametrize("path", sorted((CORPORA / "rfc5118").glob("*")), ids=lambda path: path.name)
    def test_the_parser(self, path: Path) -> None:
        message = parse_message(ipv6(path))
        if path.name == "ipv6-bad":
            with pytest.raises(ParseError):
                message.validate()
            return
        message.validate()
        read_everything(message)

    @pytest.mark.parametrize("path", sorted((CORPORA / "rfc5118").glob("*")), ids=lambda path: path.name)
    def test_the_user_agent(self, path: Path) -> None:
        answerer = Answerer()
        assert answerer.take(ipv6(path)) == IPV6_ANSWERS[path.name]
        message = parse_message(ipv6(path))
        for response in answerer.sent:
            assert hops(response) == hops(message)
        answerer.settle()

    def test_values(self) -> None:
        def message(name: str) -> Request:
            read = parse_message(ipv6(CORPORA / "rfc5118" / name))
            assert isinstance(read, Request)
            return read

        # §4.2: with the brackets the port is one; without them it is the end of the address.
        assert (message("port-unambiguous").target.host, message("port-unambiguous").target.port) == (
            "[2001:db8::10]",
            5070,
        )
        assert (message("port-ambiguous").target.host, message("port-ambiguous").target.port) == (
            "[2001:db8::10:5070]",
            None,
        )
        # §4.5: `received` with brackets and without.
        assert message("via-received-param-no-delim").via.received == "2001:db8::9:255"
        assert message("via-received-param-with-delim").via.received == "[2001:db8::9:255]"
        assert [via.host for via in message("mult-ip-in-header").vias] == [
            "[2001:db8::9:1]",
            "192.0.2.1",
            "[2001:db8::9:255]",
        ]
