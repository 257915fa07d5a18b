"""What each number does: the numbers of the recorded FreeSWITCH as lists of steps, as its dialplan has them.

Parking is not here: its numbers are unknown numbers. `*44<number>` and `<number>-<queue>` are those of conf/freeswitch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from offhook.switch.causes import Cause
from offhook.switch.tones import EARLY, HOLD_MUSIC, MILLIWATT, Sound

RING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class RingReady:
    """180 to the caller."""


@dataclass(frozen=True, slots=True)
class PreAnswer:
    """183 with SDP to the caller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """200 to the caller, if it has not had it yet."""


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Play:
    """Play a sound to its end; one without end is the last step."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class SendBack:
    """Echo, until somebody hangs up."""


@dataclass(frozen=True, slots=True)
class AskDigits:
    """The menu of 5000: collect digits, then go on with the number `menu_<digits>`."""


@dataclass(frozen=True, slots=True)
class Hangup:
    cause: Cause = Cause.NORMAL_CLEARING


@dataclass(frozen=True, slots=True)
class Respond:
    """A final answer of the dialplan's choice."""

    status: int


@dataclass(frozen=True, slots=True)
class Redirect:
    """302 to that number."""

    number: str


@dataclass(frozen=True, slots=True)
class CallUser:
    """Call a user and connect the two.

    `early_media`: the caller hears ringing in a 183 with SDP, else it gets a plain 180. `queue_headers`: the called
    party gets the X-headers of a call centre. `auto_answer`: with the headers that make phones answer by themselves.
    """

    user: str
    early_media: bool = False
    queue_headers: bool = False
    auto_answer: bool = False
    seconds: float = RING_SECONDS


@dataclass(frozen=True, slots=True)
class Transfer:
    """Go on with another number."""

    number: str


@dataclass(frozen=True, slots=True)
class EnterQueue:
    """Wait with music for an agent of the queue of that name; the agent is told that `number` was dialled."""

    name: str
    number: str


@dataclass(frozen=True, slots=True)
class JoinConference:
    """Talk with all others in that room."""

    room: str


@dataclass(frozen=True, slots=True)
class Monitor:
    """Listen to the call of a user, unheard: for supervisors alone."""

    user: str


@dataclass(frozen=True, slots=True)
class Eavesdrop:
    """Listen to the call of a user, or (None) of anybody, and talk into it on request: for everybody."""

    user: str | None


Step = (
    RingReady
    | PreAnswer
    | Answer
    | Sleep
    | Play
    | SendBack
    | AskDigits
    | Hangup
    | Respond
    | Redirect
    | CallUser
    | Transfer
    | EnterQueue
    | JoinConference
    | Monitor
    | Eavesdrop
)

_USER = r"10[01]\d"

_RULES: tuple[tuple[str, Callable[[re.Match[str]], tuple[Step, ...]]], ...] = (
    (rf"({_USER})", lambda m: (CallUser(m[1], early_media=True),)),
    (r"6(\d{3})", lambda m: (CallUser(f"1{m[1]}", queue_headers=True),)),
    (rf"7({_USER})", lambda m: (CallUser(m[1], auto_answer=True),)),
    (r"5000", lambda m: (Answer(), Sleep(0.5), AskDigits())),
    (r"9196", lambda m: (Answer(), SendBack())),
    # FreeSWITCH sends it back 2 s late; the engine has no such source, so here it comes at once.
    (r"9195", lambda m: (Answer(), SendBack())),
    (r"9197", lambda m: (Answer(), Play(MILLIWATT))),
    (r"9664", lambda m: (Answer(), Play(HOLD_MUSIC))),
    (r"9192", lambda m: (Answer(), Sleep(0.5), Hangup())),
    (r"9180", lambda m: (RingReady(), Sleep(5.0), Answer(), Sleep(0.5), SendBack())),
    (r"9181", lambda m: (PreAnswer(), Play(EARLY), Answer(), SendBack())),
    (r"9189", lambda m: (RingReady(), Sleep(60.0), Hangup(Cause.NO_ANSWER))),
    (r"9199", lambda m: (Answer(), Sleep(3.0), Hangup())),
    (r"9486", lambda m: (Hangup(Cause.USER_BUSY),)),
    (r"9603", lambda m: (Hangup(Cause.CALL_REJECTED),)),
    (r"9404", lambda m: (Hangup(Cause.UNALLOCATED_NUMBER),)),
    (r"9480", lambda m: (Hangup(Cause.NO_ANSWER),)),
    (r"9503", lambda m: (Hangup(Cause.NORMAL_TEMPORARY_FAILURE),)),
    (r"9408", lambda m: (Hangup(Cause.RECOVERY_ON_TIMER_EXPIRE),)),
    (r"9302", lambda m: (Redirect("9196"),)),
    (r"8([456]\d\d)", lambda m: (Respond(int(m[1])),)),
    (r"300\d", lambda m: (Answer(), JoinConference(m[0]))),
    (r"\*44([A-Za-z0-9]{1,32})", lambda m: (Monitor(m[1]),)),
    (r"779", lambda m: (Eavesdrop(None),)),
    (rf"88({_USER})", lambda m: (Eavesdrop(m[1]),)),
    (r"([^-]+)-([A-Za-z0-9]{1,32})", lambda m: (EnterQueue(m[2], m[1]),)),
    (r"menu_1", lambda m: (Transfer("9196"),)),
    (r"menu_2", lambda m: (Transfer("9664"),)),
    (r"menu_3", lambda m: (Transfer("5900"),)),
    (r"menu_9", lambda m: (Hangup(),)),
    (rf"menu_({_USER})", lambda m: (Transfer(m[1]),)),
    (r"menu_\d+", lambda m: (AskDigits(),)),
    (r"menu_", lambda m: (Hangup(),)),
)

_PLAN = tuple((re.compile(pattern, re.ASCII), steps) for pattern, steps in _RULES)


def steps_for(number: str) -> tuple[Step, ...]:
    """What the switch does for `number`: nothing for an unknown one, whose caller gets 480 with cause 16 (trace 12)."""
    for pattern, steps in _PLAN:
        if found := pattern.fullmatch(number):
            return steps(found)
    return ()


def queue_headers(
    uuid: str, number: str, caller: str, given: Mapping[str, str], queue: str = "support"
) -> list[tuple[str, str]]:
    """The X-headers of a call from a queue, or to 6xxx, in FreeSWITCH's order (traces 13 and 14).

    `uuid` is the caller's channel, `caller` its number; `given` are the headers of its INVITE, and those of other names
    come first. As FreeSWITCH's variables they are the same however they are spelled.
    """
    known = {name.lower(): value for name, value in given.items()}
    headers = [
        ("X-Call-Id", uuid),
        ("X-Destination-Number", number),
        ("X-Queue", queue),
        ("X-Queuetype", "NAME"),
        ("X-CallType", known.get("x-calltype") or "ACD"),
    ]
    for index in range(10):
        name = f"X-Call-Variable{index}"
        headers.append((name, known.get(name.lower()) or (caller if index == 0 else f"value-{index}")))
    made = {name.lower() for name, _ in headers}
    return [(name, value) for name, value in given.items() if name.lower() not in made] + headers
