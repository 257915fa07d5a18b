"""The recorded traces of FreeSWITCH 1.11.1, replayed into the switch.

The clients' side of each trace is fed in at its own times, with what the server chose (nonces, tags, Call-IDs,
branches, CSeqs) exchanged for what the switch chose. Each message of FreeSWITCH is then compared with that of the
switch: their order for each client, start line, names, order and values of the headers, and the SDP line by line. What
may differ stands in the tables below, each with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from offhook.sip.digest import compute_ha1, compute_response
from offhook.sip.fields import Credentials
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.switch.core import Deflect, HangUp, Hold
from offhook.switch.wording import SwitchSettings
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
    # Chance. That a value is the same throughout a dialog is seen by the exchange of tokens.
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
    Difference(
        r"^(o=FreeSWITCH) (\d+) (\d+) (IN IP4) [\d.]+$", r"\1 ID VERSION \4 HOST", "random; versions: see `shape`"
    ),
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
    (rb"(?m)^Event: message-summary\r$", "FreeSWITCH tells of voice mail at any time or never: `test_voice_mail`"),
    (rb"\AOPTIONS sip:", "profile strict pings its clients; the switch imitates profile internal, which does not"),
)
"""Messages of FreeSWITCH that are not compared, with the reason; neither are their answers fed in."""

LEFT_OUT = {"12c-other-numbers": (b"sip:5910@", "valet parking is not there yet")}
"""Calls of a trace that are not replayed, by the beginning of their Request-URI, with the reason."""

NO_TELEPHONE_EVENT = "the offer has no telephone-event, FreeSWITCH's answer has one all the same; our clients offer it"
ONE_CODEC = "to a transfer's target FreeSWITCH offers what the transferred party has settled on, the switch all codecs"
SDP_ASIDE = {
    "37-display-callee-sends-xfs": NO_TELEPHONE_EVENT,
    "37b-display-callee-sends-pai": NO_TELEPHONE_EVENT,
    "37c-display-contact-user": NO_TELEPHONE_EVENT,
    "45-callee-refresher-uas-update": NO_TELEPHONE_EVENT,
    "U01-udp-signalling": "FreeSWITCH took the caller's payload numbers over to the called party",
}
"""Traces of which the bodies are not compared, with the reason."""

NO_VIDEO = ("05c-blind-transfer-headers", "14-queue", "14b-queue-reject", "33-display-queue")
"""Traces in which FreeSWITCH offers video to a queue's agent; the switch does not, and so the answer's is cut off."""
SDP_ASIDE |= dict.fromkeys(NO_VIDEO, "FreeSWITCH offers audio and video to a queue's agent, the switch audio alone")

LIFTED_TWICE = {
    "30j-confirm-held-rejected": "123114350",
    "36c-confirm-held-caller-delay": "123114455",
    "36e-confirm-held-caller-delay-0.02-a": "123114538",
    "36e-confirm-held-caller-delay-0.1": "123114487",
    "36e-confirm-held-caller-delay-1.0-a": "123114534",
}
"""A held call that is given back gets one re-INVITE (trace 36e with 0.6 s) or two; the switch always sends one, so
the second one is left out, by its CSeq."""

LIFTED = (
    Difference(r"^Session-Expires: .*$", "", "FreeSWITCH has its `session-timeout` in it, more than it had before"),
    Difference(r"^Min-SE: 90$", "", "callers' legs have it in this re-INVITE and in no other"),
    Difference(r"^Remote-Party-ID: .*$", "", "only uuid_hold's re-INVITEs to callers have it (trace U01)"),
)
"""Of re-INVITEs that lift a hold, for the switch sends all its re-INVITEs alike."""

HELD_BY_SERVER = Difference(
    r'^Remote-Party-ID: "Extension 1010" .*$', "", "FreeSWITCH leaves it out where it holds a caller by itself"
)
"""Of trace U01 alone."""

STRICT = SwitchSettings(sip_address="127.0.0.1:5070", session_expires=90, algorithms=("SHA-256", "MD5"))
"""As the recorded profile `strict`, with RFC 8760."""
PLAIN = {"1010": "UDP", "1010'": "UDP"}
"""The clients of trace U01 that are on no WebSocket; the second is the first one on another port."""

HELD = {"U01-udp-signalling": ((38.180, True), (38.880, False))}
"""Where the recorder held user 1010 from the server, or retrieved it, by the second."""

CONFIRMING = replace(STRICT, confirm_blind_transfer=True)
CONFIRMED = (
    "30-confirm-callee-answers",
    "30b-confirm-callee-rejects",
    "30c-confirm-callee-9404",
    "30d-confirm-callee-queue5900",
    "30e-confirm-caller-answers",
    "30f-confirm-caller-rejects",
    "30g-confirm-queue5900-agent-answers",
    "30h-confirm-echo9196",
    "30i-confirm-unknown-number",
    "30j-confirm-held-rejected",
    "30k-confirm-held-answered",
    "30l-confirm-bye-after-202-reject",
    "30m-confirm-bye-after-202-answer",
    "30n-confirm-ring-timeout",
    "30s-confirm-9486-held",
    "30t-confirm-not-registered",
    "30u-confirm-transferee-hangs-up",
    "30v-confirm-bye-after-notify200",
    "30w-confirm-held-callee-answered",
    "30x-confirm-held-caller-rejected",
    "30y-confirm-held-caller-answered-again",
    "30z-confirm-caller-9486",
    "31-display-attended-caller",
    "31b-display-attended-callee",
    "31c-nodisplay-attended-caller",
    "32-display-blind",
    "32b-display-blind-caller",
    "36-confirm-target-183-then-486",
    "36b-confirm-second-refer-after-failure",
    "36c-confirm-held-caller-delay",
    "36d-confirm-183-then-486-ignore_early_media",
    "36e-confirm-held-caller-delay-0",
    "36e-confirm-held-caller-delay-0-b",
    "36e-confirm-held-caller-delay-0.02-a",
    "36e-confirm-held-caller-delay-0.1",
    "36e-confirm-held-caller-delay-0.6",
    "36e-confirm-held-caller-delay-1.0-a",
)
"""Traces with `confirm-blind-transfer` on."""

SETTINGS = {
    "45-callee-refresher-uas-update": (STRICT, "127.0.0.1:5067"),
    **{name: (CONFIRMING, "127.0.0.1:5067") for name in CONFIRMED},
    "36d-confirm-183-then-486-ignore_early_media": (replace(CONFIRMING, ignore_early_media=True), "127.0.0.1:5067"),
    "36f-confirm-variable-internal": (SwitchSettings(confirm_blind_transfer=True), "127.0.0.1:5066"),
}

SDP_ASIDE |= dict.fromkeys(
    (
        *CONFIRMED,
        "32c-display-blind-no-confirm",
        "32d-display-blind-caller-no-confirm",
        "36f-confirm-variable-internal",
    ),
    NO_TELEPHONE_EVENT,
)
RECOVERY = (
    "D02-replaces-dial-self",
    "D06-replaces-callee",
    "D08-replaces-old-alive",
    "D12-replaces-dead-call-junk-target",
    "F05-callee-30s-replaces",
    "N01-bye-without-ws",
    "R05-make-before-break-wsalive-0",
)
"""Traces of freeswitch/recovery.md: connections are lost, calls are taken over."""
STILL_UP = ("N01-bye-without-ws",)
"""The recorder went while the call was up that its last INVITE, with a Replaces of a call that was gone, had made."""
SDP_ASIDE |= dict.fromkeys(RECOVERY, NO_TELEPHONE_EVENT)
SDP_ASIDE |= dict.fromkeys(
    ("05-blind-transfer-callee", "05b-blind-transfer-caller", "05e-blind-transfer-declined"), ONE_CODEC
)

SETTINGS |= dict.fromkeys(
    ("18-eavesdrop", "18b-eavesdrop-779"), (SwitchSettings(open_eavesdrop=True), "127.0.0.1:5066")
)

REPLAYED = (
    "14-queue",
    "14b-queue-reject",
    "17-conference",
    "18-eavesdrop",
    "18b-eavesdrop-779",
    "33-display-queue",
    "01-register",
    "01b-register-bad-password",
    "01c-register-unknown-user",
    "01e-register-second-device",
    "02-call-echo",
    "03-basic-call",
    "03b-basic-call-caller-bye",
    "04-hold",
    "04b-hold-both",
    "05-blind-transfer-callee",
    "05b-blind-transfer-caller",
    "05c-blind-transfer-headers",
    "05d-blind-transfer-failed",
    "05e-blind-transfer-declined",
    "06-attended-transfer",
    "06b-attended-transfer-outbound",
    "06c-attended-transfer-ringing",
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
    "12c-other-numbers",
    "13-x-headers",
    "15-early-media",
    "15b-ring-180",
    "16-server-bye",
    "19b-server-deflect",
    "20-message",
    "21-call-waiting",
    "22-ws-drop",
    "22b-ws-drop-wait",
    "22c-ws-drop-reconnect",
    "25-auto-answer",
    "28-session-timer",
    "30-x-headers-ring180",
    "31-rereg-in-call",
    "32-options",
    "32c-display-blind-no-confirm",
    "32d-display-blind-caller-no-confirm",
    "36f-confirm-variable-internal",
    *CONFIRMED,
    *RECOVERY,
    "37-display-callee-sends-xfs",
    "37b-display-callee-sends-pai",
    "37c-display-contact-user",
    "45-callee-refresher-uas-update",
    "U01-udp-signalling",
)


@dataclass
class Entry:
    """One line of a trace's story."""

    at: float
    """Seconds since midnight."""
    who: str
    kind: str
    """`sent` by the client, `received` by it, or `remark`."""
    data: bytes

    @property
    def call_id(self) -> str:
        return _value(self.data, "Call-ID")

    @property
    def transaction(self) -> tuple[str, str]:
        return _value(self.data, "Call-ID"), _value(self.data, "CSeq")


def read(name: str) -> list[Entry]:
    """The story of a trace, in order."""
    text = (TRACES / f"{name}.txt").read_text().replace("\r", "")
    entries = []
    for part in re.split(r"(?m)^(?=---- |## )", text):
        first, _, rest = part.partition("\n")
        found = re.match(r"(?:----|##) (\d\d):(\d\d):([\d.]+) +(\S+) ?(.*)", first)
        if found is None:
            continue  # what the file is
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


def without(entries: list[Entry], uri: bytes) -> list[Entry]:
    """The story without the calls to that URI."""
    gone = {entry.call_id for entry in entries if entry.data.startswith(b"INVITE " + uri)}
    return [entry for entry in entries if entry.kind == "remark" or entry.call_id not in gone]


def without_video(entry: Entry) -> Entry:
    """A client's answer without its second section."""
    head, _, body = entry.data.partition(b"\r\n\r\n")
    if entry.kind != "sent" or b"m=video" not in body:
        return entry
    body = body[: body.index(b"m=video")]
    head = re.sub(rb"(?m)^Content-Length: \d+", b"Content-Length: %d" % len(body), head)
    return Entry(entry.at, entry.who, entry.kind, head + b"\r\n\r\n" + body)


def passed_over(data: bytes) -> bool:
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    return any(re.search(pattern, head) for pattern, _ in PASSED_OVER)


@dataclass
class Replay:
    """One trace being replayed."""

    bench: Any
    entries: list[Entry]
    transports: dict[str, str] = field(default_factory=dict)
    """Of who is on no WebSocket."""
    expected: dict[str, list[bytes]] = field(default_factory=dict)
    got: dict[str, list[bytes]] = field(default_factory=dict)
    set_aside: list[bytes] = field(default_factory=list)
    """What the switch sent and is not compared."""
    tokens: dict[str, str] = field(default_factory=dict)
    """What FreeSWITCH chose, and what the switch chose in its place."""
    numbers: dict[str, dict[str, str]] = field(default_factory=dict)
    """The CSeqs that FreeSWITCH chose and the switch's, by FreeSWITCH's Call-ID."""
    ignored: set[tuple[str, str]] = field(default_factory=set)
    """Recorded requests that are passed over."""
    seen: int = 0

    def run(self) -> None:
        """Feed the clients' side in. AssertionError where the switch does not send what a client waits for."""
        for entry in self.entries:
            self.advance(max(0.0, entry.at - self.time))
            if entry.kind == "received":
                if passed_over(entry.data):
                    self.ignored.add(entry.transaction)
                else:
                    self.expected.setdefault(entry.who, []).append(entry.data)
            elif entry.kind == "sent":
                if entry.transaction not in self.ignored:
                    self.send(entry)
            elif entry.data in (b"websocket closed", b"WS aborted (RST)"):
                self.await_all(entry.who)
                self.bench.close(entry.who)
            elif entry.data in (b"hold 1010", b"retrieve 1010"):
                self.bench.give(Hold("1010", entry.data.startswith(b"hold")))
            elif entry.data.startswith(b"at end: ['"):  # the recorder ends all calls from the server
                for user in {leg.user for leg in self.bench.node.channels()}:
                    self.bench.give(HangUp(user))
            elif entry.who == "uuid_deflect":
                self.bench.give(Deflect("1001", "1002"))
        self.advance(1.0)

    @property
    def time(self) -> float:
        return float(self.bench.now.monotonic)

    def advance(self, seconds: float) -> None:
        self.bench.run(seconds)
        self.collect()

    def send(self, entry: Entry) -> None:
        if entry.who not in self.got:
            self.got[entry.who] = []
            self.bench.open(entry.who, self.remote_of(entry.who), self.transports.get(entry.who, ""))
        self.await_all(entry.who)
        self.bench.receive(entry.who, self.adapt(entry.data))
        self.collect()

    def remote_of(self, who: str) -> str:
        """The address that FreeSWITCH saw."""
        for entry in self.entries:
            if entry.who == who and entry.kind == "received" and (found := re.search(rb"rport=(\d+)", entry.data)):
                return f"127.0.0.1:{found[1].decode()}"
        raise AssertionError(f"FreeSWITCH never answered {who}")

    def await_all(self, who: str) -> None:
        """A client that has gone on has had everything that was recorded before."""
        wanted = self.expected.get(who, [])
        until = self.time + PATIENCE
        while len(self.got[who]) < len(wanted):
            missing = wanted[len(self.got[who])].split(b"\r\n")[0].decode()
            assert self.time < until, f"{who} waits for: {missing}\nit has got {_starts(self.got[who])}"
            self.advance(0.01)

    def collect(self) -> None:
        """Take what the switch has sent, and learn what it chose."""
        for flow, data in self.bench.sent[self.seen :]:
            if passed_over(data):
                self.set_aside.append(data)
                continue
            theirs = [each.data for each in self.entries if each.who == flow and each.kind == "received"]
            theirs = [each for each in theirs if not passed_over(each)][len(self.got[flow]) :]
            self.got[flow].append(data)
            if theirs:
                self.learn(theirs[0].decode(), data.decode())
        self.seen = len(self.bench.sent)

    def learn(self, theirs: str, ours: str) -> None:
        numbers = self.numbers.setdefault(_value(theirs.encode(), "Call-ID"), {})
        numbers[_value(theirs.encode(), "CSeq")] = _value(ours.encode(), "CSeq")
        for pattern in (
            r"(?m)^From: .*;tag=([^;\r]+)",
            r"(?m)^To: .*;tag=([^;\r]+)",
            r"(?m)^Via: .*;branch=([^;\r]+)",
            r"(?m)^Call-ID: ([^\r]+)",
            r'nonce="([^"]+)"',
        ):
            for a, b in zip(re.findall(pattern, theirs), re.findall(pattern, ours), strict=False):
                known = self.tokens.setdefault(a, b) if a != b else b
                assert known == b, f"{a} was {known}, is now {b}"

    def adapt(self, data: bytes) -> bytes:
        """A client's message with the switch's choices in it, signed anew if it was signed rightly."""
        text = data.decode()
        number = _value(data, "CSeq")
        if data.startswith(b"SIP/2.0 "):
            number = self.numbers.get(_value(data, "Call-ID"), {}).get(number, number)
            text = re.sub(r"(?m)^CSeq: [^\r]+", f"CSeq: {number}", text)
        for theirs, ours in self.tokens.items():
            text = text.replace(theirs, ours)
        recorded, now = _credentials(data.decode()), _credentials(text)
        if recorded is not None and now is not None and recorded.given == recorded.right:
            text = text.replace(now.line, now.line.replace(now.given, now.right))
        return text.encode()


class _Credentials(NamedTuple):
    """The line with credentials, the response in it, and that which is right for the password."""

    line: str
    given: str
    right: str


def _credentials(text: str) -> _Credentials | None:
    found = re.search(r"(?m)^(?:Proxy-)?Authorization: ([^\r]+)", text)
    if found is None:
        return None
    given = Credentials.parse(found[1]).parameters
    right = compute_response(
        algorithm=given["algorithm"],
        ha1=compute_ha1(given["algorithm"], given["username"], given["realm"], PASSWORD),
        nonce=given["nonce"],
        method=text.partition(" ")[0],
        uri=given["uri"],
        qop=given["qop"],
        nc=given["nc"],
        cnonce=given["cnonce"],
    )
    return _Credentials(found[1], given["response"], right)


def _value(data: bytes, name: str) -> str:
    found = re.search(rf"(?m)^{name}: ([^\r]+)", data.decode())
    return found[1] if found else ""


def _starts(messages: list[bytes]) -> list[str]:
    return [data.split(b"\r\n")[0].decode() for data in messages]


def shape(
    data: bytes,
    tokens: dict[str, str],
    versions: dict[str, int],
    *,
    bodies: bool = True,
    more: tuple[Difference, ...] = (),
) -> list[str]:
    """The lines of a message as they are compared.

    `tokens` exchanges FreeSWITCH's choices, `versions` keeps the first version of each o= line: later ones are told as
    how much higher they are.
    """
    text = data.decode()
    for theirs, ours in tokens.items():
        text = text.replace(theirs, ours)
    lines = []
    for line in text.split("\r\n"):
        if not line and not bodies:
            break
        if found := re.match(r"o=FreeSWITCH (\d+) (\d+)", line):
            lines.append(f"version {int(found[2]) - versions.setdefault(found[1], int(found[2]))}")
        worded = line
        for difference in (*ALLOWED, *more):
            worded = re.sub(difference.pattern, difference.same, worded)
        if worded or not line:
            lines.append(worded)
    return lines


def lifts(data: bytes) -> bool:
    """Whether it is a re-INVITE of FreeSWITCH."""
    return data.startswith(b"INVITE ") and ";tag=" in _value(data, "To")


def replay(name: str, make_bench: Callable[..., Any]) -> Replay:
    entries = read(name)
    if name in NO_VIDEO:
        entries = [without_video(each) for each in entries]
    if name in LEFT_OUT:
        entries = without(entries, LEFT_OUT[name][0])
    if name in LIFTED_TWICE:
        number = LIFTED_TWICE[name].encode()
        entries = [each for each in entries if not re.search(rb"CSeq: " + number + rb" (INVITE|ACK)", each.data)]
    if name in HELD:
        # A 407 came twice: the client had not acknowledged it in the branch of its INVITE.
        entries = [each for at, each in enumerate(entries) if each.data not in [one.data for one in entries[:at]]]
        minute = entries[0].at // 60 * 60
        holds = [Entry(minute + at, "FS", "remark", b"hold 1010" if on else b"retrieve 1010") for at, on in HELD[name]]
        entries = sorted([*entries, *holds], key=lambda each: each.at)
    midnight = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    clock = VirtualClock(monotonic=entries[0].at, wall=midnight + entries[0].at)
    settings, listening = SETTINGS.get(name, (SwitchSettings(), "127.0.0.1:5066"))
    done = Replay(
        make_bench(clock=clock, settings=settings, listening=listening), entries, PLAIN if name in HELD else {}
    )
    done.run()
    return done


@pytest.mark.parametrize("name", REPLAYED)
def test_the_switch_does_as_freeswitch_did(name: str, make_bench: Callable[..., Any]) -> None:
    done = replay(name, make_bench)
    bodies = name not in SDP_ASIDE
    for who, expected in done.expected.items():
        assert _starts(done.got[who]) == [shape(data, done.tokens, {})[0] for data in expected], f"what {who} was sent"
        theirs: dict[str, int] = {}
        ours: dict[str, int] = {}
        for mine, recorded in zip(done.got[who], expected, strict=True):
            more = (HELD_BY_SERVER,) if name in HELD else LIFTED if lifts(recorded) and name in CONFIRMED else ()
            wanted = shape(recorded, done.tokens, theirs, bodies=bodies, more=more)
            assert shape(mine, {}, ours, bodies=bodies, more=more) == wanted, f"to {who}: {wanted[0]}"
    assert done.bench.node.channels() == () or name in STILL_UP


def test_voice_mail(make_bench: Callable[..., Any]) -> None:
    """The NOTIFY that a first registration brings, where FreeSWITCH had one."""
    done = replay("01-register", make_bench)
    recorded = [entry.data for entry in read("01-register") if entry.kind == "received" and passed_over(entry.data)]
    (mine,), (theirs,) = done.set_aside, recorded
    tag = re.compile(rb"(?m)^(From: .*;tag=)[^\r]+")
    assert shape(tag.sub(rb"\1TAG", mine), {}, {}) == shape(tag.sub(rb"\1TAG", theirs), {}, {})


def test_a_difference_is_seen(make_bench: Callable[..., Any]) -> None:
    """The comparison itself: a word less or an exchanged line is no match."""
    done = replay("03-basic-call", make_bench)
    mine, theirs = done.got["1001"][2], done.expected["1001"][2]
    wanted = shape(theirs, done.tokens, {})
    assert shape(mine, {}, {}) == wanted
    for change in ((b"a=rtcp-mux\r\n", b""), (b"Min-SE: 120", b"Min-SE: 90"), (b"Allow-Events", b"Allow-events")):
        assert shape(mine.replace(*change), {}, {}) != wanted


def test_every_recorded_message_can_be_read() -> None:
    for name in REPLAYED:
        for entry in read(name):
            if entry.kind != "remark":
                message = parse_message(entry.data)
                if isinstance(message, Request):
                    message.validate()
