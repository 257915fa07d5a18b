"""The words by which agents ask the server for more than SIP has: call variables, conferences."""

from __future__ import annotations

from offhook.doctor import remedies
from offhook.doctor.bench import Bench
from offhook.doctor.findings import CheckEnded, Outcome, cannot, failed, ok
from offhook.media.engine import Direction
from offhook.sip.events import Renegotiated


async def words(bench: Bench) -> Outcome:
    """The server hears words: a call variable is set."""
    if bench.config.dialect != "freeswitch":
        why = f"dialect {bench.config.dialect} asks in another way, which is not looked at"
        raise CheckEnded(cannot(why, "Leave --dialect out to look at conf/freeswitch"))
    caller, called = bench.first(), bench.second()
    leg, _ = await bench.talk(caller, called)
    word = await caller.say(leg, "VARIABLES", variables={"callVariable9": "offhook doctor"})
    if word is None:
        remedy = f"Conferences, whisper, barge and call variables need them: {remedies.WORDS}"
        raise CheckEnded(failed("a word (INFO application/vnd.offhook+json) was not answered", remedy))
    if word.event != "DONE":
        seen = f"a call variable could not be set: {word.event} {word.reason or ''}".rstrip()
        raise CheckEnded(failed(seen, "Install scripts/offhook/words.lua anew"))
    return ok("heard and answered; a call variable was set")


async def conference(bench: Bench) -> Outcome:
    """Customer, agent and the consulted one in one conference; each is told, and all hear all."""
    agent, customer, consulted = bench.first(), bench.second(), bench.third()
    leg, at_customer = await bench.talk(agent, customer)
    if not isinstance(await agent.reinvite(leg, Direction.SENDONLY), Renegotiated):
        raise CheckEnded(failed("the call could not be held for it", "See what `hold` says"))
    headers = (("X-Calltype", "CONSULT"), ("X-Customer-Dialog-Id", "offhook-doctor"))
    consult, at_consulted = await bench.talk(agent, consulted, headers=headers)
    mark = len(consulted.events)
    word = await agent.say(leg, "CONFERENCE", 6.0, consult=consult.call_id)
    if word is None:
        raise CheckEnded(failed("CONFERENCE was not answered", remedies.CONFERENCES))
    if word.event != "CONFERENCE":
        raise CheckEnded(failed(f"CONFERENCE: {word.event} {word.reason or ''}".rstrip(), remedies.CONFERENCES))
    await agent.reinvite(leg, Direction.SENDRECV)
    told = await consulted.word(lambda one: one.event == "CONFERENCE", 4.0, since=mark)
    wrong = await bench.both_hear((agent, leg), (customer, at_customer), (consulted, at_consulted))
    if wrong:
        raise CheckEnded(failed(f"joined, but {wrong}", f"{remedies.CONFERENCES}. {remedies.AUDIO}"))
    if told is None:
        remedy = "Clients must be told by INFO: the scripts send to who says X-FS-Support: send_info. Install them anew"
        raise CheckEnded(failed(f"joined, but {consulted.line.user} is not told of it", remedy))
    members = ", ".join(member.ext for member in word.members)
    return ok(f"a conference of {members}, each is told{'; all hear all' if bench.audio else ''}")
