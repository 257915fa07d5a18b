"""FreeSWITCH's side of recorded traces, fed to our user agent.

The client that was recorded was another one (SIP.js, or a script). Whatever it did by its user's will, ours is
told to do; all the rest it must do by itself. Each message of FreeSWITCH is changed only where it repeats what the
client had made up: Call-ID, tag, branch, CSeq.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from offhook.clock import Now, Timers
from offhook.errors import StateError
from offhook.sip.events import (
    DisplayUpdated,
    End,
    InviteReceived,
    OfferReceived,
    Progress,
    Registered,
    RegistrationFailed,
    SessionEnded,
    SipEvent,
)
from offhook.sip.flow import CloseFlow, FlowAlive, FlowClosed, FlowOpened, FlowReceived, OpenFlow, Probe, Send
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.tracing import read_trace
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds, VirtualClock

TRACES = Path(__file__).parent.parent / "data" / "traces"

BY_ITSELF = {"ACK", "100 INVITE", "487 INVITE", "UPDATE"}
"""What no client does at its user's will."""

TOO_MUCH = {"100 INVITE", "UPDATE"}
"""What ours may send although the recorded client did not: it tries, and it refreshes."""


def word(message: Request | Response) -> str:
    return message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"


def seconds(at: str) -> float:
    hours, minutes, rest = at.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


class Replay:
    """One user of one trace."""

    def __init__(self, name: str, user: str, *, password: str = "1234") -> None:
        text = (TRACES / f"{name}.txt").read_text(encoding="utf-8", errors="surrogateescape")
        self.messages = [message for message in read_trace(text) if message.who == user]
        assert self.messages, f"{name} has nothing of {user}"
        self.clock, self.timers = VirtualClock(), Timers()
        account = Account(user.split("/")[0], "127.0.0.1", password, ("ws://127.0.0.1:5066",))
        self.agent = UserAgent(account, timers=self.timers, ids=SeededIds(1))
        self.told: list[SipEvent] = []
        self.mine: list[Request | Response] = []
        """What we sent and the recorded client has not sent yet."""
        self.everything: list[tuple[float, Request | Response]] = []
        self.words: dict[str, str] = {}
        """What the client had made up, and we make up otherwise."""
        self.numbers: dict[tuple[str, int, str], int] = {}
        self.sessions: dict[str, str] = {}
        self.flow: str | None = None
        self._started = False
        self._refreshed = any(message.sent and message.data.startswith(b"UPDATE ") for message in self.messages)

    @property
    def now(self) -> Now:
        return self.clock.now()

    def run(self) -> Replay:
        start = seconds(self.messages[0].at)
        for traced in self.messages:
            self.clock.run(self.timers, max(self.now.monotonic, seconds(traced.at) - start), self.drain)
            message = parse_message(traced.data)
            assert isinstance(message, Request | Response)
            if traced.sent:
                self._expect(message)
            else:
                self._feed(message)
        self.clock.run(self.timers, self.now.monotonic, self.drain)
        left = [word(message) for message in self.mine if word(message) not in TOO_MUCH]
        assert left == [], f"the recorded client did not send {left}"
        return self

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for output in self.agent.outputs():
                busy = True
                match output:
                    case OpenFlow(flow, _):
                        self.flow = flow
                        self.agent.receive(FlowOpened(flow, "127.0.0.1:40000", "127.0.0.1:5066"), self.now)
                    case CloseFlow(flow):
                        self.agent.receive(FlowClosed(flow, "closed"), self.now)
                    case Probe(flow):
                        self.agent.receive(FlowAlive(flow), self.now)
                    case Send(_, data):
                        self._sent(data)
                    case _:
                        self.told.append(output)
                        if isinstance(output, InviteReceived):
                            self.sessions[output.request.call_id] = output.session

    def events(self, kind: type) -> Iterator[SipEvent]:
        return (event for event in self.told if isinstance(event, kind))

    def sent(self, what: str) -> list[float]:
        return [at for at, message in self.everything if word(message) == what]

    def _sent(self, data: bytes) -> None:
        message = parse_message(data)
        assert isinstance(message, Request | Response)
        self.mine.append(message)
        self.everything.append((self.now.monotonic, message))

    def _expect(self, theirs: Request | Response) -> None:
        """The recorded client sent this: ours has done so, does so within a moment, or is told to."""
        mine = self._find(theirs)
        if mine is None and word(theirs) not in BY_ITSELF:
            self._act(theirs)
            self.drain()
            mine = self._find(theirs)
        if mine is None:
            self.clock.run(self.timers, self.now.monotonic + 2, self.drain)
            mine = self._find(theirs)
        assert mine is not None, f"ours did not send {word(theirs)}, but {[word(message) for message in self.mine]}"
        self.mine.remove(mine)
        self.words[theirs.call_id] = mine.call_id
        if isinstance(theirs, Request) and isinstance(mine, Request):
            self.words[theirs.from_.tag or ""] = mine.from_.tag or ""
            self.words[theirs.via.branch or ""] = mine.via.branch or ""
            self.numbers[theirs.call_id, theirs.cseq.number, theirs.cseq.method] = mine.cseq.number
        elif theirs.to.tag is not None:
            self.words[theirs.to.tag] = mine.to.tag or ""

    def _find(self, theirs: Request | Response) -> Request | Response | None:
        for message in self.mine:
            known = self.words.get(theirs.call_id, message.call_id)
            same = word(message) == word(theirs) and message.call_id == known
            if same and (isinstance(theirs, Request) or message.cseq.number == theirs.cseq.number):
                return message
        return None

    def _act(self, theirs: Request | Response) -> None:
        session = self.sessions.get(theirs.call_id, "")
        if isinstance(theirs, Response):
            self._answer(theirs, session)
        elif theirs.method == "REGISTER":
            if not self._started:
                self._started = True
                self.agent.start(self.now)
            elif theirs.expires == 0 or "expires=0" in (theirs.headers.get("Contact") or ""):
                self.agent.stop(self.now)
            else:
                self.agent.register(self.now)
        elif theirs.method == "INVITE" and theirs.to.tag is None:
            extra = [pair for pair in theirs.headers if pair[0] in ("Session-Expires", "Supported", "Min-SE")]
            self.sessions[theirs.call_id] = self.agent.invite(theirs.uri, theirs.text, self.now, headers=extra)
        elif theirs.method == "INVITE":
            self.agent.reinvite(session, theirs.text, self.now)
        elif theirs.method in ("BYE", "CANCEL"):
            self.agent.hangup(session, self.now)
        else:
            names = ("Refer-To", "Referred-By", "X-FS-Display-Name", "X-FS-Display-Number")
            self.agent.request(
                theirs.method,
                None if session else theirs.uri,
                self.now,
                session=session or None,
                headers=[pair for pair in theirs.headers if pair[0] in names],
                content_type=theirs.content_type,
                body=theirs.text,
            )

    def _answer(self, theirs: Response, session: str) -> None:
        assert theirs.cseq.method == "INVITE", f"{word(theirs)} is answered without being asked"
        if theirs.status < 200:
            self.agent.ring(session, self.now, status=theirs.status, body=theirs.text or None)
        elif self.agent.session(session).renegotiating and theirs.status >= 300:
            self.agent.refuse(session, theirs.status, self.now)
        elif theirs.status >= 300:
            self.agent.reject(session, theirs.status, self.now)
        elif self.agent.session(session).state == "established":
            self.agent.answer(session, theirs.text, self.now)
        else:
            self.agent.accept(session, theirs.text, self.now)

    def _feed(self, theirs: Request | Response) -> None:
        """FreeSWITCH sent this."""
        text = theirs.serialize().decode("utf-8", "surrogateescape")
        head, gap, body = text.partition("\r\n\r\n")
        for was, becomes in self.words.items():
            if was:
                head = head.replace(was, becomes)
        if isinstance(theirs, Response):
            key = (theirs.call_id, theirs.cseq.number, theirs.cseq.method)
            number = self.numbers.get(key, theirs.cseq.number)
            head = head.replace(f"CSeq: {theirs.cseq.number} ", f"CSeq: {number} ")
        assert self.flow is not None, "the client connected first"
        data = (head + gap + body).encode("utf-8", "surrogateescape")
        self.agent.receive(FlowReceived(self.flow, data), self.now)
        self.drain()
        for message in [message for message in self.mine if word(message) == "UPDATE"]:
            self._grant(message)

    def _grant(self, update: Request | Response) -> None:
        """FreeSWITCH's answer to a refresh that the recorded client did not send (trace 45)."""
        if not isinstance(update, Request) or self._refreshed:
            return
        self.mine.remove(update)
        answer = update.response(200)
        for name, value in (("Require", "timer"), ("Session-Expires", "90;refresher=uac")):
            answer.headers.add(name, value)
        assert self.flow is not None
        self.agent.receive(FlowReceived(self.flow, answer.serialize()), self.now)
        self.drain()


NAMES = (
    "01-register", "01b-register-bad-password", "01c-register-unknown-user", "01e-register-second-device",
    "02-call-echo", "03-basic-call", "03b-basic-call-caller-bye", "04-hold", "04b-hold-both",
    "05-blind-transfer-callee", "06-attended-transfer", "06c-attended-transfer-ringing", "07-dtmf-info",
    "07c-dtmf-info-bridged", "08-cancel", "09-busy", "09b-decline", "09c-480", "10-ring-timeout", "11-not-registered",
    "12-wrong-number", "12b-causes", "13-x-headers", "14-queue", "14b-queue-reject", "15-early-media", "15b-ring-180",
    "16-server-bye", "19-server-originated", "20-message", "21-call-waiting", "24-strict-profile", "25-auto-answer",
    "26-intercept", "28-session-timer", "31-display-attended-caller", "31-rereg-in-call", "32-display-blind",
    "34-uuid-display-info-message", "35-sha256-register", "40-update-refresh", "41-callee-no-update",
    "42-caller-se90-no-refresh", "43-caller-se90-update", "44-caller-se90-update-no-supported",
    "45-callee-refresher-uas-update",
)  # fmt: skip

LEFT_OUT = {
    (
        "06c-attended-transfer-ringing",
        "1000",
    ): "the client hangs up after it has un-registered; ours has closed its flow",
    ("35-sha256-register", "1004"): "the script sends credentials that are wrong on purpose",
    ("40-update-refresh", "1017"): "the script refreshes late, so that FreeSWITCH does; see 45 for how ours does",
}


def users_of(name: str) -> list[str]:
    text = (TRACES / f"{name}.txt").read_text(encoding="utf-8", errors="surrogateescape")
    return sorted({message.who for message in read_trace(text)})


CASES = [(name, user) for name in NAMES for user in users_of(name) if (name, user) not in LEFT_OUT]


@pytest.mark.parametrize(("name", "user"), CASES, ids=lambda value: str(value).replace("/", "-"))
def test_our_agent_says_what_the_recorded_client_said(name: str, user: str) -> None:
    replay = Replay(name, user).run()
    ends = [event.session for event in replay.told if isinstance(event, SessionEnded)]
    assert len(ends) == len(set(ends))


def ended(name: str, user: str) -> SessionEnded:
    return next(event for event in Replay(name, user).run().told if isinstance(event, SessionEnded))


def test_refused_credentials() -> None:
    for name, user in (("01b-register-bad-password", "1000"), ("01c-register-unknown-user", "1999")):
        told = Replay(name, user).run().told
        assert RegistrationFailed(403, "Forbidden", True) in told


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("09-busy", 486, "USER_BUSY"),
        ("09b-decline", 603, "CALL_REJECTED"),
        ("09c-480", 480, "NO_USER_RESPONSE"),
        ("10-ring-timeout", 480, "NO_ANSWER"),
        ("11-not-registered", 480, "USER_NOT_REGISTERED"),
        ("12-wrong-number", 480, "NORMAL_CLEARING"),
    ],
)
def test_why_a_call_was_refused(name: str, status: int, text: str) -> None:
    end = ended(name, "1000")
    assert (end.end, end.status) == (End.REFUSED, status)
    assert text in [reason.text for reason in end.reasons]


def test_who_gave_up() -> None:
    for name, text in (("08-cancel", "ORIGINATOR_CANCEL"), ("10-ring-timeout", "NO_ANSWER")):
        end = ended(name, "1001")
        assert (end.end, end.by_remote) == (End.CANCEL, True)
        assert end.reasons[0].text == text
    assert (ended("08-cancel", "1000").end, ended("08-cancel", "1000").status) == (End.CANCEL, 487)
    assert ended("16-server-bye", "1000").reasons[0].text == "NORMAL_CLEARING"
    assert ended("42-caller-se90-no-refresh", "1002").reasons[0].text == "Session timeout"


def test_early_media_and_plain_ringing() -> None:
    for name, status in (("15-early-media", 183), ("15b-ring-180", 180)):
        told = Replay(name, "1000").run().told
        assert status in [event.status for event in told if isinstance(event, Progress)]


def test_hold_by_the_client_asks_nothing_of_the_other_side() -> None:
    told = Replay("04-hold", "1000").run().told + Replay("04-hold", "1001").run().told
    assert not [event for event in told if isinstance(event, OfferReceived)]


def test_a_refresh_of_freeswitch_is_answered_without_asking_and_ours_keep_their_pace() -> None:
    replay = Replay("28-session-timer", "1001").run()
    assert not list(replay.events(OfferReceived))
    accepted = replay.sent("200 INVITE")
    assert len(accepted) == 3
    times = sorted([*accepted, *replay.sent("UPDATE")])
    assert all(after - before <= 40.01 for before, after in zip(times, times[1:], strict=False))


def test_called_by_freeswitch_we_refresh_and_it_does_not() -> None:
    replay = Replay("45-callee-refresher-uas-update", "1017").run()
    accepted = replay.sent("200 INVITE")
    assert len(accepted) == 1
    pauses = [round(at - accepted[0], 2) for at in replay.sent("UPDATE")]
    assert pauses == pytest.approx([40.0, 80.0, 120.0, 160.0], abs=0.1)
    invite = next(message for _, message in replay.everything if word(message) == "200 INVITE")
    assert invite.headers.get("Session-Expires") == "90;refresher=uas"


def test_who_the_other_party_is() -> None:
    told = [
        (event.name, event.number, event.attended)
        for event in Replay("34-uuid-display-info-message", "1008").run().told
        if isinstance(event, DisplayUpdated)
    ]
    assert ("Alice Example", "4711", False) in told and ("Café Müller", "4713", False) in told
    attended = {
        user: [event.attended for event in Replay("31-display-attended-caller", user).run().told
               if isinstance(event, DisplayUpdated)]
        for user in ("1010", "1011", "1012")
    }  # fmt: skip
    assert attended == {"1010": [False, False], "1011": [False, False], "1012": [False, True]}


def test_the_stronger_challenge_is_answered() -> None:
    replay = Replay("35-sha256-register", "1002").run()
    credentials = [message.headers.get("Authorization") or "" for _, message in replay.everything]
    assert any("algorithm=SHA-256" in line for line in credentials)
    assert list(replay.events(Registered))


def test_nothing_is_left_after_a_trace() -> None:
    for name, user in (("03-basic-call", "1001"), ("04b-hold-both", "1000"), ("08-cancel", "1001")):
        replay = Replay(name, user).run()
        replay.clock.run(replay.timers, replay.now.monotonic + 40, replay.drain)
        assert (len(replay.agent), len(replay.timers)) == (0, 0), (name, user)


def test_what_the_user_cannot_do_is_said() -> None:
    replay = Replay("02-call-echo", "1000").run()
    with pytest.raises(StateError):
        replay.agent.invite("sip:9196@127.0.0.1", None, replay.now)
