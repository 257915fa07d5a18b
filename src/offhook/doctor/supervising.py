"""Listening to other people's calls: refused to agents, granted to supervisors, and heard by nobody; whisper, barge."""

from __future__ import annotations

from offhook.doctor import remedies
from offhook.doctor.bench import Bench
from offhook.doctor.findings import CheckEnded, Outcome, cannot, failed, ok
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Leg
from offhook.errors import OffhookError
from offhook.media.engine import Direction

DATABASE_SECONDS = 1.5
"""FreeSWITCH's list of calls is behind by up to a second: a call that is younger may not be found (measured)."""


async def monitor_refused(bench: Bench) -> Outcome:
    """An agent cannot listen to another's call: by the number, under a supervisor's name, by the sample's numbers."""
    caller, called = bench.first(), bench.second()
    leg, _ = await bench.talk(caller, called)
    await bench.until(lambda: leg.end is not None, DATABASE_SECONDS)
    target = called.line.user
    prefix = bench.config.monitoring_prefix[0]
    listener = spare_agent(bench)
    said = []
    attempts: list[tuple[str, str | None]] = [(f"{prefix}{target}", None)]
    attempts += [(f"{prefix}{target}", one.extension) for one in bench.supervisors[:1]]
    attempts += [(pattern.format(target), None) for pattern in bench.numbers.eavesdropping]
    for number, shown in attempts:
        try:
            attempt = await listener.call(number, 6.0, direction=Direction.RECVONLY, shown=shown)
        except OffhookError as error:
            raise CheckEnded(cannot(f"{number} could not be dialled: {error}")) from None
        as_whom = f" as {shown}" if shown else ""
        if attempt.up:
            await listener.hang_up(attempt)
            raise CheckEnded(
                failed(f"AGENTS CAN LISTEN TO EACH OTHER: {number}{as_whom} was answered", shut(number, prefix))
            )
        said.append(f"{number}{as_whom} {attempt.status or 'no answer'}")
    return ok(f"refused to {listener.line.user}: {', '.join(said)}")


def shut(number: str, prefix: str) -> str:
    """How that number is closed to agents."""
    if number.startswith(prefix):
        return (
            "scripts/offhook/monitor.lua has to ask for the role, and dialplan/offhook.xml refuse who shows another "
            "name than its own (offhook-from): install both anew; give offhook_role=supervisor to supervisors alone"
        )
    return (
        "Keep agents out of FreeSWITCH's sample dialplan: user_context=offhook (directory/*.xml), and "
        "offhook_forbidden_numbers of offhook/vars.xml with 88*, 779 and 886; or delete those extensions"
    )


def spare_agent(bench: Bench) -> Handset:
    """An agent that is no supervisor, one who is not in the call where there is one."""
    for agent in bench.agents[2:]:
        if agent.extension in bench.handsets:
            return bench.handsets[agent.extension]
    return bench.first()


async def listen_in(bench: Bench, caller: Handset, called: Handset) -> tuple[Leg, Leg, Leg]:
    """A call between two, and the supervisor's leg that listens to the called one. Raises CheckEnded."""
    supervisor = bench.supervisor()
    leg, there = await bench.talk(caller, called)
    await bench.until(lambda: leg.end is not None, DATABASE_SECONDS)
    number = f"{bench.config.monitoring_prefix[0]}{called.line.user}"
    listening = await supervisor.call(number, direction=Direction.RECVONLY)
    if not listening.up:
        raise CheckEnded(failed(f"{number} by {supervisor.line.user}: {listening.refusal}", granted(listening)))
    return leg, there, listening


def granted(leg: Leg) -> str:
    """How a supervisor gets in."""
    if leg.status == 403:
        return (
            "Give the supervisor the variable offhook_role=supervisor (directory/<extension>.xml), then `fs_cli -x "
            "reloadxml` and register anew"
        )
    if "NO_CALL" in leg.refusal:
        return "The script found no call of that agent: is it one of the same domain? See the server's log"
    return (
        f"Monitoring is missing: {remedies.DIALPLAN}, scripts/offhook/monitor.lua in FreeSWITCH's script folder, "
        "mod_lua loaded, and --monitoring-prefix has to be the dialplan's *44"
    )


async def monitor(bench: Bench) -> Outcome:
    """A supervisor hears both, and is heard by nobody, even when it speaks."""
    caller, called, supervisor = bench.first(), bench.second(), bench.supervisor()
    leg, there, listening = await listen_in(bench, caller, called)
    response = listening.response
    if not bench.audio:
        return ok("answered; who hears whom is seen with audio alone")
    both = {caller.line.user, called.line.user}
    for _ in range(3):
        heard = await bench.heard_by(supervisor, listening)
        if both <= heard:
            break
    if not both <= heard:
        seen = f"{supervisor.line.user} does not hear {', '.join(sorted(both - heard))}"
        raise CheckEnded(failed(f"answered, but {seen}", remedies.AUDIO))
    await supervisor.reinvite(listening, Direction.SENDRECV)
    for handset, one in ((caller, leg), (called, there)):
        if supervisor.line.user in await bench.heard_by(handset, one):
            seen = f"A LISTENER IS HEARD by {handset.line.user} when it speaks"
            raise CheckEnded(failed(seen, "Install scripts/offhook/monitor.lua anew: it listens without speaking"))
    offered = "" if response is None or "a=sendonly" in response.text else "the answer is not a=sendonly"
    return ok("both are heard; the listener is not, even when it speaks", offered)


async def whisper(bench: Bench) -> Outcome:
    """A supervisor that whispers is heard by the agent alone."""
    caller, called, supervisor = bench.first(), bench.second(), bench.supervisor()
    leg, there, listening = await listen_in(bench, caller, called)
    await supervisor.reinvite(listening, Direction.SENDRECV)
    word = await supervisor.say(listening, "WHISPER", on=True)
    if word is None:
        remedy = "Install scripts/offhook/words.lua and monitor.lua anew; the server's log has their errors"
        raise CheckEnded(failed("WHISPER was not answered", remedy))
    if word.event != "DONE":
        raise CheckEnded(failed(f"WHISPER: {word.event} {word.reason or ''}".rstrip(), "See the server's log"))
    if not bench.audio:
        return ok("granted; who hears whom is seen with audio alone")
    for _ in range(3):
        to_agent = supervisor.line.user in await bench.heard_by(called, there)
        if to_agent:
            break
    to_other = supervisor.line.user in await bench.heard_by(caller, leg)
    if not to_agent or to_other:
        seen = f"{called.line.user} {'hears' if to_agent else 'does not hear'} it"
        seen += f", {caller.line.user} {'hears it too' if to_other else 'does not'}"
        remedy = "Install scripts/offhook/words.lua and monitor.lua anew"
        raise CheckEnded(failed(seen, remedy))
    return ok(f"{called.line.user} hears it, {caller.line.user} does not")


async def barge(bench: Bench) -> Outcome:
    """A supervisor joins the call, and all hear all."""
    caller, called, supervisor = bench.first(), bench.second(), bench.supervisor()
    leg, there, listening = await listen_in(bench, caller, called)
    await supervisor.reinvite(listening, Direction.SENDRECV)
    word = await supervisor.say(listening, "BARGE")
    if word is None:
        raise CheckEnded(failed("BARGE was not answered", remedies.CONFERENCES))
    if word.event != "CONFERENCE":
        raise CheckEnded(failed(f"BARGE: {word.event} {word.reason or ''}".rstrip(), "See the server's log"))
    wrong = await bench.both_hear((caller, leg), (called, there), (supervisor, listening))
    if wrong:
        raise CheckEnded(failed(f"joined, but {wrong}", remedies.AUDIO))
    members = ", ".join(member.ext for member in word.members)
    return ok(f"a conference of {members}{'; all hear all' if bench.audio else ''}")
