"""Transfers, blind and attended, and queues."""

from __future__ import annotations

from offhook.doctor import remedies
from offhook.doctor.bench import Bench
from offhook.doctor.findings import CheckEnded, Outcome, cannot, failed, ok
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Leg
from offhook.media.engine import Direction
from offhook.sip.events import DisplayUpdated, ReferExpired, ReferFailed, ReferProgress, Renegotiated

OUTCOME_SECONDS = 8.0
AGENT_SECONDS = 4.0
"""In which a queue rings an agent that is free."""


async def outcome_of(handset: Handset, leg: Leg, id: str, mark: int) -> ReferProgress | ReferFailed | None:
    """What the server says came of a REFER; None where it says nothing, or ends the call before it does."""

    def told() -> ReferProgress | ReferFailed | ReferExpired | None:
        for event in handset.events[mark:]:
            if isinstance(event, ReferProgress | ReferFailed | ReferExpired) and event.id == id:
                if not isinstance(event, ReferProgress) or event.final:
                    return event
        return None

    await handset.until(lambda: told() is not None or leg.end is not None, OUTCOME_SECONDS)
    found = told()
    return None if isinstance(found, ReferExpired) else found


async def transfer_back(bench: Bench) -> Outcome:
    """A transfer to a number that nobody has is told as failed, and the call comes back."""
    caller, called = bench.first(), bench.second()
    leg, there = await bench.talk(caller, called)
    mark = len(caller.events)
    number = bench.numbers.nowhere
    found = await outcome_of(caller, leg, caller.refer(leg, number), mark)
    if isinstance(found, ReferFailed):
        remedy = "Set disable-transfer to false in sip_profiles/offhook.xml"
        raise CheckEnded(failed(f"REFER was refused: {found.status} {found.phrase}", remedy))
    if found is None:
        said = "the call ended" if leg.end is not None else f"nothing within {OUTCOME_SECONDS:g} s"
        raise CheckEnded(
            failed(f"a transfer to {number}, which nobody has: {said}, and no outcome was told", remedies.CONFIRM)
        )
    if found.status < 300:
        seen = f"a transfer to {number}, which nobody has, was told as done ({found.status}): the customer is lost"
        raise CheckEnded(failed(seen, remedies.CONFIRM))
    if leg.end is not None or there.end is not None:
        raise CheckEnded(failed(f"told as failed ({found.status}), but the call is over", remedies.CONFIRM))
    wrong = await bench.both_hear((caller, leg), (called, there))
    if wrong:
        raise CheckEnded(failed(f"told as failed ({found.status}), the call is back, but {wrong}", remedies.AUDIO))
    return ok(f"told as failed, {found.status} {found.phrase}, and the call is back")


async def blind_transfer(bench: Bench) -> Outcome:
    """A blind transfer to the echo is told as done, and arrives."""
    caller, called = bench.first(), bench.second()
    leg, there = await bench.talk(caller, called)
    mark = len(caller.events)
    number = bench.numbers.echo
    found = await outcome_of(caller, leg, caller.refer(leg, number), mark)
    if found is None or found.status >= 300:
        said = "no outcome was told" if found is None else f"{found.status} {found.phrase}"
        remedy = (
            f"A number that is an application never confirms by itself: offhook_service_numbers (offhook/vars.xml) has "
            f"to match {number}; {remedies.DIALPLAN}"
        )
        raise CheckEnded(failed(f"a transfer to {number}: {said}", remedy))
    # Who transferred is hung up, or parked until it hangs up itself; both are right.
    await caller.until(lambda: leg.end is not None, 1.0)
    await caller.hang_up(leg)
    if bench.audio:
        for _ in range(2):
            if called.line.user in (heard := await bench.heard_by(called, there)):
                break
        if called.line.user not in heard:
            raise CheckEnded(failed(f"told as done, but {called.line.user} does not hear the echo", remedies.AUDIO))
    return ok(f"to {number}: told as done, and it has arrived there")


async def attended_transfer(bench: Bench) -> Outcome:
    """Who was consulted gets the customer, and is told who that is."""
    agent, customer, consulted = bench.first(), bench.second(), bench.third()
    leg, at_customer = await bench.talk(agent, customer)
    if not isinstance(await agent.reinvite(leg, Direction.SENDONLY), Renegotiated):
        raise CheckEnded(failed("the call could not be held for it", "See what `hold` says"))
    consult, at_consulted = await bench.talk(agent, consulted)
    mark, marked = len(agent.events), len(consulted.events)
    found = await outcome_of(agent, leg, agent.refer(leg, None, replaces=consult), mark)
    if found is None and leg.end is None or found is not None and found.status >= 300:
        said = "no outcome was told" if found is None else f"{found.status} {found.phrase}"
        remedy = "Set disable-transfer to false in sip_profiles/offhook.xml; see the server's log"
        raise CheckEnded(failed(f"REFER with Replaces: {said}", remedy))
    update = await consulted.wait((DisplayUpdated,), 3.0, since=marked, fits=lambda event: event.attended)
    await agent.until(lambda: leg.end is not None and consult.end is not None, 4.0)
    wrong = await bench.both_hear((customer, at_customer), (consulted, at_consulted))
    if wrong:
        raise CheckEnded(failed(f"transferred, but {wrong}", remedies.AUDIO))
    if update is None:
        remedy = "Set send-display-update to true in sip_profiles/offhook.xml, and restart the profile"
        raise CheckEnded(failed("transferred, but who was consulted is not told (X-FS-Attended-Transfer)", remedy))
    notes = [] if leg.end and consult.end else ["who transferred still has a call open"]
    return ok(f"{consulted.line.user} has {customer.line.user}, and is told {update.number}", *notes)


async def queue(bench: Bench) -> Outcome:
    """The queue takes a call; where an agent of ours is in it, it rings with the call's data."""
    number = bench.numbers.queue
    if not number:
        raise CheckEnded(cannot("no queue was named", "Name one whose agents may be rung: --queue 99887766-support"))
    caller = bench.first()
    others = [handset for handset in bench.handsets.values() if handset is not caller]
    mark = {handset: list(handset.legs) for handset in others}
    leg = await caller.call(number, 8.0, headers=(("X-Media-Type", "audio"),))
    if not leg.up:
        name = number.rpartition("-")[2]
        remedy = (
            f"Have a queue {name}@<domain> in autoload_configs/callcenter.conf.xml (an example: "
            f"offhook/callcenter_queue.xml), mod_callcenter loaded (modules.conf.xml), and {remedies.DIALPLAN}"
        )
        raise CheckEnded(failed(f"{number}: {leg.refusal}", remedy))

    def rung() -> tuple[Handset, Leg] | None:
        for handset in others:
            for session, one in handset.legs.items():
                if session not in mark[handset] and one.request is not None:
                    return handset, one
        return None

    if not await bench.until(lambda: rung() is not None, AGENT_SECONDS):
        return ok(f"{number} takes the call", "no agent of those that were given was rung: are they in its tiers?")
    found = rung()
    assert found is not None and found[1].request is not None
    handset, at_agent = found
    given = found[1].request.headers
    missing = [name for name in ("X-Queue", "X-Queuetype", "X-Call-Id") if given.get(name) is None]
    if missing:
        remedy = f"cc_export_vars has to carry them: {remedies.DIALPLAN}"
        raise CheckEnded(failed(f"{handset.line.user} is rung by it, without {', '.join(missing)}", remedy))
    await handset.answer(at_agent)
    wrong = await bench.both_hear((caller, leg), (handset, at_agent))
    if wrong:
        raise CheckEnded(failed(f"{handset.line.user} answered it, but {wrong}", remedies.AUDIO))
    return ok(f"{number} takes the call and rings {handset.line.user} with its data; they hear each other")
