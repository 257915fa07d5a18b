"""Whatever agents, peers and failures do, in whatever order: contract §1 to §4 holds for each agent (`Ledger`).

Seeded courses of steps, in virtual time, against a server that answers anything (`WildServer`) and against the
development switch, in both dialects. A course that breaks a rule is cut down to the steps that are needed and printed;
`OFFHOOK_SEED=wild-freeswitch-17 python -m pytest tests/cti/test_properties.py -k replay` runs one of them again.

OFFHOOK_STEPS=20000 takes that many steps in all instead of 200,000.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from offhook.cti.presence import Standing
from offhook.media.engine import MediaLost
from offhook.switch.core import Deflect, HangUp, Hold, Originate
from offhook.testing.network import Conditions
from offhook.testing.wild import OUTCOMES, WORDS, Leg
from offhook.testing.witness import Witness
from offhook.testing.world import PASSWORD, Desk, World

Step = tuple[str, int]
"""What is done, and the seed of how."""

STEPS = int(os.environ.get("OFFHOOK_STEPS", "200000"))
SHARDS = 20
LENGTH = 300
"""Steps of one course."""
MOST_CUTS = 150
"""So often a course that breaks a rule is run again to make it shorter."""

# Steps of agents

NUMBERS = (
    *"1000 1001 1002 1009 9196 9196 9180 9189 9486 9199 9192 5900 5000 3001 61001 71000 8486 8603 nowhere".split(),
    *("a@b", "*441000", "", "x" * 65, "7-support"),
)


def number(chance: Random) -> str:
    return chance.choice(NUMBERS)


def of_any(world: World, desk: Desk, chance: Random) -> str:
    """The id of a call: of this agent mostly, of one that is over, of another agent, of none."""
    draw = chance.random()
    if draw < 0.8 and desk.states():
        return chance.choice(list(desk.states()))
    if draw < 0.9 and desk.past:
        return chance.choice(desk.past)
    others = [id for other in world.desks for id in other.states()]
    return chance.choice([*others, "none", "", "x" * 300])


def dial(chance: Random) -> dict[str, Any]:
    kind = chance.choice(("audio", "audio", "video", "screenshare", "?"))
    return {"calledNumber": number(chance), "Destination_Number": "800", "callType": kind}


def monitor(chance: Random) -> dict[str, Any]:
    return {**dial(chance), "calledNumber": chance.choice(("1000", "1001", "1002", "")), "service_Identifier": "800"}


EXTRA: dict[str, Callable[[Random], dict[str, Any]]] = {
    "makeCall": dial,
    "makeOBCall": dial,
    "silentMonitor": monitor,
    "answerCall": lambda chance: {"answerCalltype": chance.choice(("audio", "video", "onlyviewscreenshare", "?"))},
    "SendDtmf": lambda chance: {"message": chance.choice(("1", "12#", "*A", "123456789012", "x", ""))},
    "SST": lambda chance: {"numberToTransfer": number(chance)},
    "SST_Queue": lambda chance: {
        "numberToTransfer": "5900",
        "queue": chance.choice(("support", "none", "a b")),
        "queueType": chance.choice(("NAME", "\r\nX: y")),
    },
    "makeConsult": lambda chance: {"numberToConsult": number(chance)},
    "makeConsultQueue": lambda chance: {
        "numberToTransfer": "5900",
        "queue": chance.choice(("support", "support", "none")),
        "queueType": "NAME",
    },
    "convertCall": lambda chance: {
        "streamType": chance.choice(("video", "screenshare", "?")),
        "streamStatus": chance.choice(("on", "off")),
    },
    "dropParticipant": lambda chance: {"participant": chance.choice(("1001", "5550001", "1002", "7", "1009"))},
    "updateCallVariableData": lambda chance: {
        "callVariables": chance.choice(
            ({"callVariable1": "x"}, {"note": "y" * chance.randrange(600)}, {}, {"a b": "c"})
        )
    },
    "login": lambda chance: {"extension": "1000", "password": PASSWORD},
    "resume": lambda chance: {
        "extension": "1000",
        "password": PASSWORD,
        "stream": "?",
        "seq": chance.choice((0, 3, 10**6)),
    },
}
ON_A_CALL = """
answerCall releaseCall rejectCall holdCall retrieveCall mute_call unmute_call SendDtmf SST SST_Queue conference_consult
dropParticipant bargeIn whisper convertCall updateCallVariableData getDialog getStats
""".split()
WITHOUT = """
makeCall makeOBCall silentMonitor makeConsult makeConsultQueue consultTransfer getState login resume closeCall nonsense
""".split()
SENSIBLE: dict[str, tuple[str, ...]] = {
    "nothing": ("makeCall", "makeCall", "makeOBCall"),
    "supervisor": ("silentMonitor", "silentMonitor", "makeCall"),
    "ALERTING": ("answerCall", "answerCall", "answerCall", "answerCall", "rejectCall"),
    "INITIATING": ("releaseCall", "SendDtmf", "getDialog", "getState"),
    "INITIATED": ("releaseCall", "consultTransfer", "getState", "updateCallVariableData"),
    "ACTIVE": ("holdCall", "holdCall", "makeConsult", "makeConsult", "makeConsult", "makeConsultQueue", "SST", "SST",
               "SST_Queue", "SendDtmf", "mute_call", "unmute_call", "convertCall", "updateCallVariableData", "getStats",
               "releaseCall"),
    "HELD": ("retrieveCall", "retrieveCall", "makeConsult", "makeConsult", "SST", "mute_call", "releaseCall"),
    "consult": ("consultTransfer", "consultTransfer", "conference_consult", "conference_consult", "holdCall",
                "retrieveCall", "releaseCall", "SendDtmf"),
    "CONFERENCE": ("holdCall", "retrieveCall", "mute_call", "unmute_call", "dropParticipant", "dropParticipant",
                   "updateCallVariableData", "SST", "releaseCall"),
    "MONITORING": ("whisper", "whisper", "bargeIn", "bargeIn", "holdCall", "retrieveCall", "SendDtmf", "releaseCall"),
}  # fmt: skip
"""What an agent is likely to do in a situation."""


def situation(desk: Desk, chance: Random) -> tuple[str, dict[str, Any]]:
    """One that the agent is in, and the record of the call that it is about."""
    live = list(desk.ledger.live.values())
    if not live or (len(live) == 1 and live[0].state != "ALERTING" and chance.random() < 0.1):
        return ("supervisor" if desk.extension == "1009" else "nothing"), {}
    call = chance.choice(live)
    own = call.record["fromAddress"] == desk.extension
    if call.record["callType"] == "CONSULT" and own and call.state in ("ACTIVE", "HELD"):
        return "consult", call.record
    return (call.record["callType"] if call.record["callType"] in SENSIBLE else call.state), call.record


def sensible(world: World, chance: Random) -> None:
    """A command that fits a situation that the agent is in."""
    desk = chance.choice(world.desks)
    ringing = [each for each in world.desks if "ALERTING" in each.states().values()]
    if ringing and chance.random() < 0.5:
        desk = chance.choice(ringing)
    where, record = situation(desk, chance)
    action = chance.choice(SENSIBLE[where])
    parameter: dict[str, Any] = {"dialogId": record.get("id", "")} if action in ON_A_CALL else {}
    others = [each.extension for each in world.desks if each is not desk]
    if chance.random() < 0.7:
        if action == "makeConsult":
            parameter["numberToConsult"] = chance.choice(others)
        elif action in ("makeCall", "makeOBCall"):
            parameter["calledNumber"] = chance.choice((*others, "9196"))
        elif action == "SST":
            parameter["numberToTransfer"] = chance.choice(others)
        elif action == "silentMonitor":
            busy = [each.extension for each in world.desks if each is not desk and each.states()]
            parameter["calledNumber"] = chance.choice(busy or others)
        elif action == "dropParticipant" and len(record["participants"]) > 1:
            parameter["participant"] = record["participants"][-1]["mediaAddress"]
    give(desk, action, parameter, chance)


def anything(world: World, chance: Random) -> None:
    """Any command, on any call; sometimes with parameters that are missing or wrong."""
    desk = chance.choice(world.desks)
    action = chance.choice(ON_A_CALL + WITHOUT)
    parameter: dict[str, Any] = {"dialogId": of_any(world, desk, chance)} if action in ON_A_CALL else {}
    if action in ("makeConsult", "consultTransfer") and chance.random() < 0.5:
        parameter["dialogId"] = of_any(world, desk, chance)
    if chance.random() < 0.1:
        parameter[chance.choice(("dialogId", "message", "calledNumber"))] = chance.choice((None, 7, [], {}))
    give(desk, action, parameter, chance)


def give(desk: Desk, action: str, parameter: dict[str, Any], chance: Random) -> None:
    extra = EXTRA[action](chance) if action in EXTRA else {}
    if action in ("login", "resume"):
        extra["extension"] = desk.extension
    if chance.random() < 0.03:
        extra.popitem() if extra else None
    desk.command(action, {**extra, **parameter}, chance.choice(("desk", "desk", "other")), named=chance.random() < 0.9)


def several(world: World, chance: Random) -> None:
    """Several commands at once, of one agent or of several."""
    for _ in range(chance.randrange(2, 5)):
        chance.choice((sensible, sensible, anything))(world, chance)
        world.network.drain()


def leave(world: World, chance: Random) -> None:
    desk = chance.choice(world.desks)
    desk.command("logout", {}, "desk")
    world.network.drain()
    if chance.random() < 0.7:
        world.run(chance.choice((0.1, 3.0, 10.0)))
        desk.command("login", {"extension": desk.extension, "password": PASSWORD})


def page(world: World, chance: Random) -> None:
    """The page with the audio goes, or comes back."""
    session = chance.choice(world.desks).session
    chance.choice((session.park, session.unpark))(world.network.now())


# Steps of the world


def wait(world: World, chance: Random) -> None:
    world.run(chance.choice((0.5, 0.5, 0.5, 2.5, 2.5, 2.5, 6.0, 6.0, 12.0, 21.0, 45.0, 65.0)))


def meanwhile(world: World, chance: Random) -> None:
    """What agents do while something is not as it should be, and some time."""
    for _ in range(chance.randrange(3)):
        sensible(world, chance)
        world.network.drain()
    world.run(chance.choice((0.1, 0.5, 2.0, 5.0, 13.0)))


def flow_lost(world: World, chance: Random) -> None:
    world.network.reset(chance.choice(world.desks).host)


def cable(world: World, chance: Random) -> None:
    """Somebody's cable is pulled, and mostly put back."""
    host = chance.choice([world.server, *(desk.host for desk in world.desks)])
    if host.cut:
        world.network.heal(host)
    else:
        world.network.cut(host)
        meanwhile(world, chance)
        if chance.random() < 0.2:
            world.run(40.0)
        if chance.random() < 0.9:
            world.network.heal(host)


def engine(world: World, chance: Random) -> None:
    """An engine becomes ill, and mostly well again; or loses a call."""
    desk = chance.choice(world.desks)
    desk.mood = chance.choice(("well", "deaf", "late", "late", "unsupported", "bad-sdp", "internal"))
    if desk.media and chance.random() < 0.2:
        desk.session.receive(MediaLost(chance.choice(sorted(desk.media)), "gone"), world.network.now())
    meanwhile(world, chance)
    if chance.random() < 0.8:
        desk.mood = "well"


def restart(world: World, chance: Random) -> None:
    desk = chance.choice(world.desks)
    if desk.session._presence.standing is Standing.IN:
        desk.restart()
        world.run(0.3)


def clock_jumps(world: World, chance: Random) -> None:
    """The wall clock is set; or the machine slept, and all timers are late."""
    if chance.random() < 0.5:
        world.clock.jump(chance.choice((-3600.0, -1.0, 1.0, 86400.0)))
    else:
        world.clock.advance(chance.choice((1.0, 30.0, 100.0)))


def packets_lost(world: World, chance: Random) -> None:
    share = chance.choice((0.0, 0.1, 0.4)) if world.kind == "wild" else 0.0
    world.network.conditions = Conditions(delay=chance.choice((0.01, 0.2)), jitter=0.01, loss=share)
    meanwhile(world, chance)
    world.network.conditions = Conditions(delay=0.01, jitter=0.01)


# Steps of the server that answers anything

VARIABLES = tuple((f"X-Call-Variable{at}", f"value {at}") for at in range(3))


def rings(world: World, chance: Random) -> None:
    """A call to an agent."""
    world.calls += 1
    desk, mark = chance.choice(world.desks), f"{world.calls:04d}"
    kind = chance.choice(("", "", "OUT", "CONSULT", "CONSULT", "PROGRESSIVE", "MONITORING", "nonsense"))
    headers = [("X-Calltype", kind), ("X-CustomerNumber", f"55{mark}"), ("X-Destination-Number", f"80{mark}")]
    headers += [("X-Queue", f"queue{mark}"), *VARIABLES[: chance.randrange(4)]]
    if kind != "MONITORING" and chance.random() < 0.5:  # the reference's desk does not read calls of that kind
        headers.append(("X-Call-Id", chance.choice(("1", "2", f"call{mark}", "customer"))))
    if chance.random() < 0.3:
        headers.append(("X-Customer-Dialog-Id", chance.choice(("1", "2", "customer"))))
    if chance.random() < 0.2:
        headers.append(("Call-Info", "<sip:pbx>;answer-after=2"))
    if world.kind == "wild":
        user = chance.choice((f"55{mark}", "5550001"))
        world.wild.call(desk.extension, user, headers, offerless=chance.random() < 0.1)
    else:
        kept = tuple((name, value) for name, value in headers if value)
        number = chance.choice(("9196", "9199", "5900", "1000"))
        world.network.give(world.server, Originate(desk.extension, kept, "Customer", f"55{mark}", number))


def server(world: World, chance: Random) -> None:
    """What the other side does to a call, of its own accord."""
    if world.kind == "wild":
        wild_server(world, chance)
        return
    user = chance.choice(world.desks).extension
    acts = (Hold(user, True), Hold(user, False), Deflect(user, number(chance) or "x"))
    act = HangUp(user) if chance.random() < 0.15 else chance.choice(acts)
    world.network.give(world.server, act)


def wild_server(world: World, chance: Random) -> None:
    wild = world.wild
    legs = wild.live()
    if not legs:
        return
    leg = chance.choice(legs)
    acts: tuple[Callable[[], object], ...] = (
        lambda: wild.ring(leg, chance.choice((100, 180, 183))),
        lambda: wild.take(leg),
        lambda: wild.take(leg),
        lambda: wild.refuse(leg),
        lambda: wild.cancel(leg),
        lambda: wild.bye(leg) if chance.random() < 0.5 else wild.offer(leg),
        lambda: wild.offer(leg),
        lambda: wild.offer(leg, "UPDATE"),
        lambda: wild.notify(leg, chance.choice((100, 180, 200, 202, 300, 404, 486, 503, 699))),
        lambda: wild.display(leg, "5550001", attended=chance.random() < 0.6),
        lambda: wild.word(leg, chance.choice((*OUTCOMES, "CONFERENCE", "CONFERENCE")), chance.choice((None, "x"))),
        lambda: wild.request(leg, "REFER", headers=[("Refer-To", "<sip:1001@pbx>")]),
        lambda: wild.request(leg, "INFO", WORDS, chance.choice(HOSTILE)),
        lambda: wild.request(
            leg, chance.choice(("OPTIONS", "MESSAGE", "PRACK", "PUBLISH", "NOTIFY")), "text/plain", "x"
        ),
        lambda: wild.request(leg, "INFO", "application/dtmf-relay", "Signal=1\r\nDuration=160\r\n"),
    )
    chance.choice(acts)()


HOSTILE = (
    *("", "{}", "[]", "7", "{", '{"event": 7}', '{"event": "CONFERENCE"}', '{"event": "CONFERENCE", "dialog": []}'),
    '{"event": "CONFERENCE", "additionalAttributes": {"members": [7, {}, {"ext": null}]}}',
    '{"event": "CONFERENCE", "additionalAttributes": {"members": [{"ext": "' + "9" * 200 + '"}]}}',
    *('{"event": "DONE", "id": ["x"]}', "[" * 5000, '{"event": "\\ud800"}', '{"event": "' + "x" * 20000 + '"}'),
)
MESSAGES = """
CONSULT_TRANSFER CONSULT_TRANSFER_FAILED CONFERENCE CONFERENCE CONSULT_CONFERENCE_FAILED BARGE_FAILED MONITORING_FAILED
CONFERENCE_MEMBER_HOLD CONFERENCE_MEMBER_UNMUTE mediaConversion MONITORED agentDetails USER_BUSY
""".split()


def message(world: World, chance: Random) -> None:
    """A MESSAGE outside of dialogs, about any call; or octets that mean nothing."""
    desk = chance.choice(world.desks)
    if world.kind != "wild":
        return
    wild, draw = world.wild, chance.random()
    if draw < 0.15:
        wild.message(desk.extension, chance.choice(HOSTILE))
    elif draw < 0.25:
        wild.raw(
            desk.extension,
            chance.choice((b"", b"\r\n\r\n", b"\0\xff", b"INVITE sip:1000@pbx SIP/2.0\r\n\r\n", b"x" * 70000)),
        )
    else:
        legs = wild.live(desk.extension) or [Leg("none", "", desk.extension, "", "", "", ours=True)]
        word = wild.spoken(chance.choice(legs), chance.choice(MESSAGES), None)
        told = {"stream": "video", "streamStatus": "on", "timeStamp": str(world.calls)}
        word["dialog"] = {**told, **(word.get("dialog") or {}), "id": of_any(world, desk, chance)}
        wild.message(desk.extension, json.dumps(word), chance.choice(("5550001", "1001", "9196")))


def repeat(world: World, chance: Random) -> None:
    """Something comes a second time, or late."""
    if world.kind == "wild":
        world.wild.repeat()


def temper(world: World, chance: Random) -> None:
    """The server becomes kind or unkind; for a while it is deaf, or takes no registration."""
    if world.kind == "wild":
        world.wild.kindness = chance.choice((1.0, 1.0, 0.9, 0.8, 0.5, 0.2))
        world.wild.deaf = chance.random() < 0.15
        world.wild.register = chance.choice((200, 200, 200, 200, 200, 503, 0, 403))
        meanwhile(world, chance)
        if chance.random() < 0.9:
            world.wild.deaf, world.wild.register = False, 200


WEIGHTS: dict[Callable[[World, Random], None], int] = {
    sensible: 46,
    anything: 12,
    several: 6,
    leave: 1,
    page: 1,
    wait: 9,
    flow_lost: 1,
    cable: 1,
    engine: 2,
    restart: 1,
    clock_jumps: 1,
    packets_lost: 1,
    rings: 7,
    server: 8,
    message: 5,
    repeat: 3,
    temper: 3,
}
OF_COMMANDS = ("sensible", "anything", "several", "leave")
"""Steps that are commands, which are counted where they are given."""
TAKEN = {step.__name__: step for step in WEIGHTS}


# Courses


def take(world: World, step: Step) -> None:
    """One step, and a little time."""
    name, seed = step
    world.chance = chance = Random(seed)
    if world.kind == "wild":
        world.wild.chance = Random(seed + 1)
    world.steps += name not in OF_COMMANDS
    TAKEN[name](world, chance)
    world.network.drain()
    world.run(chance.choice((0.0, 0.0, 0.012, 0.05, 0.05, 0.3)))


def course(name: str) -> tuple[str, str, int, list[Step]]:
    """The world of a course and its steps, out of its name: wild-freeswitch-17."""
    kind, dialect, seed = name.split("-")
    chance = Random(name)
    names = chance.choices([step.__name__ for step in WEIGHTS], list(WEIGHTS.values()), k=LENGTH)
    return kind, dialect, int(seed), [(each, chance.getrandbits(32)) for each in names]


def attempt(
    kind: str, dialect: str, seed: int, steps: list[Step], witness: Witness, taken: list[int] | None = None
) -> tuple[str, str] | None:
    """Run a course; what is wrong with it, in short and with all there is to say. `taken`: gets how long it was."""
    witness.violations()
    world = World(kind, dialect, seed)
    try:
        for step in steps:
            take(world, step)
        if taken is not None:
            taken.append(world.steps)
        world.finish()
    except Exception as problem:  # whatever it is, it is found
        wrong = f"{type(problem).__name__}: {problem}"
        where = "".join(traceback.format_tb(problem.__traceback__)[-4:])
        return wrong.split("; before")[0], f"{wrong}\n{where}\n{world.network.ladder(30)}"
    finally:
        told = witness.violations()
    return (told[0], "\n".join(told)) if told else None


def shortest(name: str, witness: Witness, problem: str) -> str:
    """Leave out steps as long as it goes wrong the same way; tell what is left."""
    kind, dialect, seed, steps = course(name)
    told, tries, size = "", 0, LENGTH // 2
    alike = "".join(letter for letter in problem if letter.isalpha())[:60]
    while size and tries < MOST_CUTS:
        at = 0
        while at < len(steps) and tries < MOST_CUTS:
            tries += 1
            fewer = steps[:at] + steps[at + size :]
            found = attempt(kind, dialect, seed, fewer, witness)
            if found is not None and "".join(letter for letter in found[0] if letter.isalpha())[:60] == alike:
                steps, told = fewer, found[1]
            else:
                at += size
        size //= 2
    return f"{len(steps)} steps: {steps}\n{told}"


def judge(name: str, witness: Witness) -> int:
    """Run a course, and fail with the shortest one like it; gives how many steps it took."""
    taken: list[int] = []
    found = attempt(*course(name), witness, taken)
    if found is not None:
        pytest.fail(f"OFFHOOK_SEED={name}: {found[1]}\n\n{shortest(name, witness, found[0])}", pytrace=False)
    return sum(taken)


WORLDS = (*("wild-freeswitch", "wild-efcx") * 3, "switch-freeswitch", "switch-efcx")
"""The switch costs twice as much a step."""


def names(shard: int) -> Iterator[str]:
    for at in range(1_000_000):
        yield f"{WORLDS[(shard + at) % len(WORLDS)]}-{shard + SHARDS * at}"


@pytest.mark.parametrize("shard", range(SHARDS))
def test_any_course_of_things(shard: int, suite_witness: Witness, record_property: Any) -> None:
    """A share of all steps: 200,000 in `make test`."""
    wanted, taken = -(-STEPS // SHARDS), 0
    for name in names(shard):
        taken += judge(name, suite_witness)
        if taken >= wanted:
            break
    assert taken >= wanted
    record_property("steps", taken)


@pytest.mark.skipif("OFFHOOK_SEED" not in os.environ, reason="OFFHOOK_SEED=<course> runs that one")
def test_replay(suite_witness: Witness) -> None:
    judge(os.environ["OFFHOOK_SEED"], suite_witness)
