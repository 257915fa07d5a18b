"""The recorded traces of FreeSWITCH 1.11.1, replayed into the switch.

The clients' side of each trace is fed in at its own times, with what the server chose (nonces, tags, Call-IDs,
branches, CSeqs) exchanged for what the switch chose. Each message of FreeSWITCH is then compared with that of the
switch: their order for each client, start line, names, order and values of the headers, and the SDP line by line. What
may differ is in `ALLOWED`, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from offhook.sip.digest import compute_ha1, compute_response
from offhook.sip.fields import Credentials
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.switch.core import HangUp
from offhook.testing.clock import VirtualClock

TRACES = Path(__file__).parent.parent / "data" / "traces"
PASSWORD = "1234"
PATIENCE = 5.0
"""Seconds that a message of the switch may come later than FreeSWITCH's before a client's next message."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Difference(NamedTuple):
    """What may differ: `pattern` (of a line) is taken for `same` on both sides, for `reason`; empty: left out."""

    pattern: str
    same: str
    reason: str


ALLOWED = (
    # Chance: checked for being the same throughout a dialog by the substitution itself
    Difference(r"(;branch=)z9hG4bK[\w.-]+$", r"\1BRANCH", "random: our requests' branches"),
    Difference(rf"^(Call-ID: ){UUID}$", r"\1UUID", "random: Call-IDs that the switch made"),
    Difference(r'(nonce=")[^"]+', r"\1NONCE", "random"),
    Difference(rf"^(X-Call-Id: |X-FS-Sending-Message: ){UUID}$", r"\1UUID", "random: names of channels and messages"),
    Difference(
        r"^(CSeq: )123\d{6} ", r"\1LARGE ", "FreeSWITCH counts from the time of day, the switch from one number"
    ),
    Difference(r"^(Date: )\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$", r"\1DATE", "a recorded second may have passed"),
    # SDP
    Difference(r"^(Content-Length: )\d{3,4}$", r"\1LENGTH", "SDP is as long as its random numbers are"),
    Difference(r"^(o=FreeSWITCH) (\d+) (\d+) (IN IP4) [\d.]+$", r"\1 ID VERSION \4 HOST", "random: see `versions`"),
    Difference(r"^(m=audio) \d+ ", r"\1 PORT ", "a port of its own"),
    Difference(r"^(a=rtcp:)\d+ ", r"\1PORT ", "a port of its own"),
    Difference(r"^a=candidate:\d+ 2 udp .*$", "", "for RTCP, in some answers too: with rtcp-mux nobody uses it"),
    Difference(r"^(a=candidate:)\d+ (\d) udp (\d+) (\S+) \d+ ", r"\1N \2 udp \3 \4 PORT ", "a port of its own"),
    Difference(r"^(a=ice-ufrag:|a=ice-pwd:)\S+$", r"\1RANDOM", "random"),
    Difference(r"^(a=fingerprint:sha-256 )[0-9A-F:]+$", r"\1HASH", "a certificate of its own"),
    Difference(r"^(a=ssrc:)\d+ (cname|msid|mslabel|label):\S+", r"\1N \2:RANDOM", "random"),
    Difference(r"^(a=msid-semantic: WMS) \S+$", r"\1 RANDOM", "random"),
)

PASSED_OVER = (
    (
        b"Event: message-summary",
        "FreeSWITCH tells of voice mail when it gets to it, often not at all: `test_voice_mail`",
    ),
)

NO_TELEPHONE_EVENT = "the offer has no telephone-event, FreeSWITCH's answer has one all the same; our clients offer it"
SDP_ASIDE = {
    "37-display-callee-sends-xfs": NO_TELEPHONE_EVENT,
    "37b-display-callee-sends-pai": NO_TELEPHONE_EVENT,
    "37c-display-contact-user": NO_TELEPHONE_EVENT,
}
"""Traces of which the bodies are not compared, with the reason."""


@dataclass
class Entry:
    """One line of a trace's story."""

    at: float
    who: str
    kind: str
    """`sent` by the client, `received` by it, or `remark`."""
    data: bytes


def read(name: str) -> list[Entry]:
    """The story of a trace, in order; times are seconds since midnight."""
    text = (TRACES / f"{name}.txt").read_text().replace("\r", "")
    entries = []
    for part in re.split(r"(?m)^(?=---- |## )", text)[1:]:
        first, _, rest = part.partition("\n")
        found = re.match(r"(?:----|##) (\d\d):(\d\d):([\d.]+) +(\S+) ?(.*)", first)
        assert found is not None, first
        at = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
        if first.startswith("## "):
            entries.append(Entry(at, found[4], "remark", found[5].encode()))
            continue
        head, _, body = rest.partition("\n\n")
        length = re.search(r"(?m)^Content-Length: (\d+)", head)
        octets = body.replace("\n", "\r\n").encode()[: int(length[1]) if length else 0]
        data = head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + octets
        if head.strip():  # a keep-alive of line ends is the transport's
            entries.append(Entry(at, found[4], "sent" if found[5].startswith("->") else "received", data))
    return entries


def passed_over(data: bytes) -> bool:
    return any(mark in data.partition(b"\r\n\r\n")[0] for mark, _ in PASSED_OVER) or (
        b"SIP/2.0 200 OK" in data[:16] and b" NOTIFY\r\n" in data and b"X-Early: " in data
    )


class Mismatch(AssertionError):
    """The switch did not do what FreeSWITCH did."""


@dataclass
class Replay:
    """One trace being replayed."""

    bench: Any
    entries: list[Entry]
    expected: dict[str, list[bytes]] = field(default_factory=dict)
    got: dict[str, list[bytes]] = field(default_factory=dict)
    voice_mail: list[bytes] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """What FreeSWITCH chose, and what the switch chose in its place."""
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: int = 0

    def run(self) -> None:
        """Feed the clients' side in; raises Mismatch where something that must come does not."""
        start = self.entries[0].at
        for entry in self.entries:
            self.bench.run(max(0.0, start + entry.at - start - self.time))
            self.collect()
            if entry.kind == "received":
                if not passed_over(entry.data):
                    self.expected.setdefault(entry.who, []).append(entry.data)
            elif entry.kind == "sent":
                self.send(entry)
            elif entry.data == b"websocket closed":
                self.await_all(entry.who)
                self.bench.close(entry.who)
            elif entry.data.startswith(b"at end: ['"):
                self.bench.give(HangUp(re.findall(rb"inbound (\d+)@", entry.data)[0].decode()))
        self.bench.run(1.0)
        self.collect()

    @property
    def time(self) -> float:
        return float(self.bench.clock.now().monotonic)

    def send(self, entry: Entry) -> None:
        if b"SIP/2.0 200 OK" == entry.data[:14] and b" NOTIFY\r\n" in entry.data and b"talk" not in entry.data:
            return  # the answer to one that is passed over
        if entry.who not in self.got:
            self.got[entry.who] = []
            self.bench.open(entry.who, self.remote_of(entry.who))
        self.await_all(entry.who)
        self.bench.receive(entry.who, self.adapt(entry.data))
        self.collect()

    def remote_of(self, who: str) -> str:
        for entry in self.entries:
            if entry.who == who and entry.kind == "received":
                if found := re.search(rb"rport=(\d+)", entry.data):
                    return f"127.0.0.1:{found[1].decode()}"
        return "127.0.0.1:1"

    def await_all(self, who: str) -> None:
        """A client that has gone on has had everything that was recorded before."""
        wanted = len(self.expected.get(who, []))
        until = self.time + PATIENCE
        while len(self.got[who]) < wanted:
            if self.time >= until:
                missing = self.expected[who][len(self.got[who])].split(b"\r\n")[0].decode()
                raise Mismatch(f"{who} waits for: {missing}\nthe switch has sent it {self.starts(who)}")
            self.bench.run(0.01)
            self.collect()

    def starts(self, who: str) -> list[str]:
        return [data.split(b"\r\n")[0].decode() for data in self.got[who]]

    def collect(self) -> None:
        """Take what the switch has sent, and learn what it chose."""
        for flow, data in self.bench.sent[self.seen :]:
            if passed_over(data):
                self.voice_mail.append(data)
                continue
            place = len(self.got[flow])
            self.got[flow].append(data)
            theirs = [
                e.data for e in self.entries if e.who == flow and e.kind == "received" and not passed_over(e.data)
            ]
            if place < len(theirs):
                self.learn(theirs[place], data)
        self.seen = len(self.bench.sent)

    def learn(self, theirs: bytes, ours: bytes) -> None:
        for pattern in (
            r"(?m)^From: .*;tag=([^;\r]+)",
            r"(?m)^To: .*;tag=([^;\r]+)",
            r"(?m)^Via: .*;branch=([^;\r]+)",
            r"(?m)^Call-ID: ([^\r]+)",
            r"(?m)^CSeq: (\d+ \w+)",
            r'nonce="([^"]+)"',
        ):
            a, b = re.search(pattern, theirs.decode()), re.search(pattern, ours.decode())
            if a and b and a[1] != b[1]:
                known = self.tokens.setdefault(a[1], b[1])
                assert known == b[1], f"{a[1]} was {known}, is now {b[1]}"

    def adapt(self, data: bytes) -> bytes:
        """A client's message with the switch's choices in it."""
        text = data.decode()
        right = _is_right(data)
        for theirs, ours in self.tokens.items():
            text = text.replace(theirs, ours)
        return _signed(text).encode() if right else text.encode()


def _is_right(data: bytes) -> bool:
    """Whether a recorded message has credentials made with the right password."""
    return (given := _credentials(data.decode())) is not None and given[1] == given[2]


def _credentials(text: str) -> tuple[str, str, str] | None:
    """The line with the credentials, their response, and the response that is right for the password."""
    found = re.search(r"(?m)^(?:Proxy-)?Authorization: ([^\r]+)", text)
    if found is None:
        return None
    given = Credentials.parse(found[1]).parameters
    right = compute_response(
        algorithm="MD5",
        ha1=compute_ha1("MD5", given["username"], given["realm"], PASSWORD),
        nonce=given["nonce"],
        method=text.partition(" ")[0],
        uri=given["uri"],
        qop=given["qop"],
        nc=given["nc"],
        cnonce=given["cnonce"],
    )
    return found[1], given["response"], right


def _signed(text: str) -> str:
    found = _credentials(text)
    assert found is not None
    line, response, right = found
    return text.replace(line, line.replace(response, right))


def shape(data: bytes, tokens: dict[str, str], versions: dict[str, int]) -> list[str]:
    """The lines of a message as they are compared.

    `tokens` exchanges FreeSWITCH's choices, `versions` keeps the first version of each o= line.
    """
    text = data.decode()
    for theirs, ours in tokens.items():
        text = text.replace(theirs, ours)
    lines = []
    for line in text.split("\r\n"):
        if found := re.match(r"o=FreeSWITCH (\d+) (\d+)", line):
            lines.append(f"version {int(found[2]) - versions.setdefault(found[1], int(found[2]))}")
        worded = line
        for difference in ALLOWED:
            worded = re.sub(difference.pattern, difference.same, worded)
        if worded or not line:
            lines.append(worded)
    return lines


REPLAYED = (
    "01-register",
    "01b-register-bad-password",
    "01c-register-unknown-user",
    "01e-register-second-device",
    "02-call-echo",
    "03-basic-call",
    "03b-basic-call-caller-bye",
    "04-hold",
    "04b-hold-both",
    "07-dtmf-info",
    "07c-dtmf-info-bridged",
    "08-cancel",
    "09-busy",
    "09b-decline",
    "09c-480",
    "10-ring-timeout",
    "11-not-registered",
    "12-wrong-number",
    "12b-causes",
    "13-x-headers",
    "15-early-media",
    "15b-ring-180",
    "16-server-bye",
    "20-message",
    "21-call-waiting",
    "22-ws-drop",
    "22b-ws-drop-wait",
    "25-auto-answer",
    "28-session-timer",
    "30-x-headers-ring180",
    "31-rereg-in-call",
    "32-options",
    "37-display-callee-sends-xfs",
    "37b-display-callee-sends-pai",
    "37c-display-contact-user",
)


def _head(message: list[str]) -> list[str]:
    return message[: message.index("")]


def replay(name: str, make_bench: Callable[..., Any]) -> Replay:
    entries = read(name)
    midnight = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    clock = VirtualClock(monotonic=entries[0].at, wall=midnight + entries[0].at)
    done = Replay(make_bench(clock=clock), entries)
    done.run()
    return done


@pytest.mark.parametrize("name", REPLAYED)
def test_the_switch_does_as_freeswitch_did(name: str, make_bench: Callable[..., Any]) -> None:
    done = replay(name, make_bench)
    for who, expected in done.expected.items():
        theirs: dict[str, int] = {}
        ours: dict[str, int] = {}
        wanted = [shape(data, done.tokens, theirs) for data in expected]
        got = [shape(data, {}, ours) for data in done.got[who]]
        assert [message[0] for message in got] == [message[0] for message in wanted], who
        if name in SDP_ASIDE:
            got, wanted = [_head(message) for message in got], [_head(message) for message in wanted]
        for mine, recorded in zip(got, wanted, strict=True):
            assert mine == recorded, f"to {who}: {recorded[0]}"
    assert done.bench.node.channels() == ()


def test_voice_mail(make_bench: Callable[..., Any]) -> None:
    """The NOTIFY that a first registration brings, where FreeSWITCH had one."""
    done = replay("01-register", make_bench)
    recorded = [entry.data for entry in read("01-register") if entry.kind == "received" and passed_over(entry.data)]
    assert len(done.voice_mail) == len(recorded) == 1
    for pattern in (r"(?m)^(From: .*;tag=)[^\r]+",):
        recorded = [re.sub(pattern, r"\1TAG", data.decode()).encode() for data in recorded]
        done.voice_mail = [re.sub(pattern, r"\1TAG", data.decode()).encode() for data in done.voice_mail]
    assert shape(done.voice_mail[0], {}, {}) == shape(recorded[0], {}, {})


def test_every_recorded_message_can_be_read() -> None:
    for name in REPLAYED:
        for entry in read(name):
            if entry.kind != "remark":
                message = parse_message(entry.data)
                if isinstance(message, Request):
                    message.validate()
