"""Plain calls: echo and its audio, hold, session timer; between two agents: who calls, headers, digits, messages."""

from __future__ import annotations

from offhook.doctor import remedies
from offhook.doctor.bench import Bench, not_rung
from offhook.doctor.findings import CheckEnded, Outcome, cannot, failed, ok
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Leg
from offhook.media.engine import Direction, Stats
from offhook.sip.events import Renegotiated, RequestReceived
from offhook.sip.message import Request, Response

SESSION_LEAST = 90
"""Seconds: what RFC 4028 allows at least."""

PASSED_ON = {
    "X-CustomerNumber": "5550100",
    "X-Media-Type": "audio",
    "X-Customer-Dialog-Id": "offhook-doctor",
    "X-Call-Variable0": "offhook doctor",
}
"""What an agent's call tells the called agent; conf/freeswitch passes these on."""
NOT_PASSED_ON = ("X-Offhook-Doctor", "must not pass")


async def echo(bench: Bench) -> Outcome:
    """A call is answered."""
    handset = bench.first()
    leg = await echo_call(bench, handset)
    response = leg.response
    assert response is not None
    codec = (await handset.stats(leg)).audio.codec if bench.audio else None
    return ok(f"{bench.numbers.echo} answered{f', {codec}' if codec else ''}")


async def echo_call(bench: Bench, handset: Handset) -> Leg:
    """A call to the echo that is up. Raises CheckEnded."""
    number = bench.numbers.echo
    leg = await handset.call(number)
    if leg.up and leg.fault:
        remedy = f"The answer's media cannot be used. {remedies.CODEC}"
        raise CheckEnded(failed(f"{number} was answered, but: {leg.fault}", remedy))
    if leg.up:
        return leg
    if leg.status == 488:
        raise CheckEnded(failed(f"{number}: {leg.refusal}", remedies.CODEC))
    if leg.status == 403:
        remedy = (
            "The server refuses an agent's calls. Set auth-calls to true in sip_profiles/offhook.xml (else nobody is "
            "known), give the users user_context=offhook (directory/*.xml), and take the number out of "
            "offhook_forbidden_numbers of offhook/vars.xml"
        )
        raise CheckEnded(failed(f"{number}: {leg.refusal}", remedy))
    remedy = (
        "Give a number that sends back what it hears by --echo. FreeSWITCH's sample dialplan has 9196, which must "
        "match offhook_service_numbers, while offhook_fallback_context names its context (offhook/vars.xml)"
    )
    raise CheckEnded(failed(f"{number}: {leg.refusal}", remedy))


async def audio(bench: Bench) -> Outcome:
    """Our own tone comes back from the echo, and RTP is sound."""
    handset = bench.first()
    if not bench.audio:
        raise CheckEnded(cannot("there is no audio with --media null", "Leave it out"))
    leg = await echo_call(bench, handset)
    for _ in range(3):
        heard = await bench.heard_by(handset, leg)
        if handset.line.user in heard:
            break
    if leg.end is not None:
        remedy = "Look at the server's log; is the extension in use by somebody else?"
        raise CheckEnded(failed(f"{bench.numbers.echo} was answered, and ended by the server: {leg.refusal}", remedy))
    stats = await handset.stats(leg)
    seen = described(stats)
    if handset.line.user not in heard:
        if not stats.audio.packets_received:
            raise CheckEnded(failed(f"nothing comes back: {seen}", remedies.AUDIO))
        remedy = f"RTP comes, our tone is not in it. {remedies.AUDIO}; or --echo names no echo"
        raise CheckEnded(failed(f"our tone does not come back: {seen}", remedy))
    return ok(f"our tone comes back; {seen}", *poor(stats))


def described(stats: Stats) -> str:
    """RTP in words."""
    audio = stats.audio
    parts = [
        f"codec {audio.codec or 'none'}",
        f"RTP {audio.packets_sent or 0} sent, {audio.packets_received or 0} received, {audio.packets_lost or 0} lost",
    ]
    if audio.jitter_ms is not None:
        parts.append(f"jitter {audio.jitter_ms:.1f} ms")
    if audio.round_trip_ms is not None:
        parts.append(f"round trip {audio.round_trip_ms:.0f} ms")
    if audio.mos is not None:
        parts.append(f"mos {audio.mos:.1f}")
    return ", ".join(parts)


def poor(stats: Stats) -> list[str]:
    """What people would hear of it."""
    audio = stats.audio
    notes = []
    received, lost = audio.packets_received or 0, audio.packets_lost or 0
    if lost > 0.02 * (received + lost):
        notes.append(f"{lost} of {received + lost} packets were lost: look at the network between here and the server")
    if (audio.jitter_ms or 0) > 30:
        notes.append(f"{audio.jitter_ms:.0f} ms of jitter: look at the network, and at the load of both machines")
    return notes


async def hold(bench: Bench) -> Outcome:
    """Hold and retrieve by re-INVITE; held, our tone does not come back, afterwards it does."""
    handset = bench.first()
    leg = await echo_call(bench, handset)
    if not isinstance(await handset.reinvite(leg, Direction.SENDONLY), Renegotiated):
        raise CheckEnded(
            failed("hold (re-INVITE, sendonly) was refused", "disable-hold must not be set in the profile")
        )
    held = await bench.heard_by(handset, leg) if bench.audio else frozenset()
    if not isinstance(await handset.reinvite(leg, Direction.SENDRECV), Renegotiated):
        raise CheckEnded(failed("retrieve (re-INVITE, sendrecv) was refused", "Look at the server's log"))
    if not bench.audio:
        return ok("held and retrieved")
    for _ in range(3):
        back = await bench.heard_by(handset, leg)
        if handset.line.user in back:
            note = "our own tone came back while it was held" if handset.line.user in held else ""
            return ok("held and retrieved, the tone is back", note)
    raise CheckEnded(failed("retrieved, but our tone does not come back", remedies.AUDIO))


async def recover(bench: Bench) -> Outcome:
    """The name to which calls are taken over answers 481 where there is nothing to take over."""
    leg = await bench.first().call("offhook-recover")
    if leg.status == 481:
        return ok("481")
    remedy = (
        f"The extension offhook-recover is missing, and a lost call could not be told from another: {remedies.DIALPLAN}"
    )
    raise CheckEnded(failed(f"offhook-recover: {leg.refusal if not leg.up else '200'}, and not 481", remedy))


# Two agents


async def agent_call(bench: Bench) -> Outcome:
    """Two agents call each other, hear each other, and the called one sees who calls."""
    caller, called = bench.first(), bench.second()
    leg = await caller.dial(called.line.user)
    there = await called.rings()
    if there is None:
        await caller.decided(leg, 0.5)
        raise CheckEnded(not_rung(called.line.user, leg))
    called.ring(there)
    await caller.until(lambda: any(one.status >= 180 for one in leg.progress) or leg.end is not None, 4.0)
    await called.answer(there)
    if not await caller.decided(leg, 5.0):
        raise CheckEnded(failed(f"answered, and ended: {leg.refusal}", remedies.CODEC))
    assert there.request is not None
    number = there.request.from_.uri.user
    if number != caller.line.user:
        remedy = "Set effective_caller_id_number of the users (directory/*.xml) to their numbers"
        raise CheckEnded(
            failed(f"{called.line.user} sees {number or 'nobody'} calling, not {caller.line.user}", remedy)
        )
    wrong = await bench.both_hear((caller, leg), (called, there))
    if wrong:
        raise CheckEnded(failed(wrong, remedies.AUDIO))
    heard = ", both hear each other" if bench.audio else ""
    more = f"{ringing(leg)}; {session_timer(there.request)}"
    return ok(f"{called.line.user} rings, sees {number}, answers{heard}; {more}", *short_timer(there.request))


def ringing(leg: Leg) -> str:
    """How the caller hears that it rings."""
    early = [response for response in leg.progress if response.body and response.is_of("application/sdp")]
    if early:
        return f"{early[0].status} with early media"
    rung = [response.status for response in leg.progress if response.status >= 180]
    return f"{rung[0]} without early media" if rung else "no ringing was told"


def session_timer(message: Request | Response) -> str:
    """The session timer of a call, in words."""
    timer = message.session_expires
    if timer is None:
        return "no session timer"
    least = message.min_se
    return f"session timer {timer.seconds} s{f', at least {least} s' if least is not None else ''}"


def short_timer(request: Request) -> list[str]:
    """What is odd of it."""
    timer = request.session_expires
    if timer is None:
        return ["no session timer: enable-timer and session-timeout 120 in sip_profiles/offhook.xml end dead calls"]
    if timer.seconds < SESSION_LEAST:
        return [f"a session timer of {timer.seconds} s is shorter than RFC 4028 allows: session-timeout of the profile"]
    return []


async def headers(bench: Bench) -> Outcome:
    """The contract's headers pass to the called agent, others do not."""
    caller, called = bench.first(), bench.second()
    _, there = await bench.talk(caller, called, headers=(*PASSED_ON.items(), NOT_PASSED_ON))
    assert there.request is not None
    given = there.request.headers
    lost = [name for name, value in PASSED_ON.items() if given.get(name) != value]
    own = [name for name in ("X-Call-Id", "X-Destination-Number") if given.get(name) is None]
    if lost or own:
        remedy = f"Queues, conferences and call variables depend on them: {remedies.DIALPLAN}"
        raise CheckEnded(failed(f"the called agent does not get {', '.join((*lost, *own))}", remedy))
    note = ""
    if given.get(NOT_PASSED_ON[0]) is not None:
        note = "any X- header of a caller is passed on: sip_copy_custom_headers=false, as dialplan/offhook.xml has it"
    return ok(f"{', '.join((*PASSED_ON, 'X-Call-Id', 'X-Destination-Number'))} reach the called agent", note)


async def untrusted_headers(bench: Bench) -> Outcome:
    """Whether a trunk's headers are taken off."""
    return cannot(
        "what a trunk sends cannot be seen from an agent's side",
        "See that trunks enter by dialplan/public/00_offhook.xml, which takes X- headers off "
        "(sip_copy_custom_headers=false), and not by the context offhook",
    )


async def digits(bench: Bench) -> Outcome:
    """A digit by INFO reaches the other party."""
    caller, called = bench.first(), bench.second()
    leg, there = await bench.talk(caller, called)
    answer = await caller.ask(leg, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")
    if answer is None or answer.status != 200:
        said = "no answer" if answer is None else f"{answer.status} {answer.phrase}"
        raise CheckEnded(failed(f"INFO with a digit: {said}", "Set liberal-dtmf to true in the profile, or --dtmf rtp"))
    if not bench.audio:
        return ok("INFO with a digit is answered 200; whether it arrives is seen with audio alone")

    def came() -> bool:
        infos = (event.request for event in called.events if isinstance(event, RequestReceived))
        return "5" in called.digits or any("dtmf" in (info.content_type or "") for info in infos)

    if not await called.until(came, 4.0):
        remedy = "Set dtmf-type to rfc2833 (FreeSWITCH's default) and rfc2833-pt to 101 in sip_profiles/offhook.xml"
        raise CheckEnded(failed(f"a digit by INFO was taken, but did not reach {called.line.user}", remedy))
    return ok(f"a digit by INFO reaches {called.line.user}")


async def message(bench: Bench) -> Outcome:
    """A MESSAGE from one agent reaches another: what dialects say outside of calls."""
    sender, receiver = bench.first(), bench.second()
    mark = len(receiver.events)
    text = "offhook doctor"
    target = f"sip:{receiver.line.user}@{receiver.line.domain}"
    answer = await sender.request("MESSAGE", target, content_type="text/plain", body=text)
    came = await receiver.wait((RequestReceived,), 3.0, since=mark, fits=lambda seen: seen.request.method == "MESSAGE")
    said = "no answer" if answer is None else f"{answer.status} {answer.phrase}"
    if came is None:
        note = (
            "dialect efcx speaks by MESSAGE, and this server passes none on" if bench.config.dialect == "efcx" else ""
        )
        return ok(f"{said}, and is not passed on: Offhook's clients use words", note)
    return ok(f"{said}, and it arrives")


async def video(bench: Bench) -> Outcome:
    """Whether video is taken when it is offered."""
    handset = bench.first()
    if not bench.audio:
        raise CheckEnded(cannot("there is no video with --media null", "Leave it out"))
    leg = await handset.call(bench.numbers.echo, video=Direction.SENDRECV)
    if not leg.up or leg.response is None:
        raise CheckEnded(failed(f"a call with video: {leg.refusal}", "See what `echo` says; have VP8 in vars.xml"))
    lines = [line for line in leg.response.text.splitlines() if line.startswith("m=video ")]
    if lines and lines[0].split()[1] != "0":
        return ok("offered and taken (VP8)")
    note = "video is refused: for convertCall have VP8 in global_codec_prefs and outbound_codec_prefs of vars.xml"
    return ok("offered, not taken; calls go on with audio", note)
