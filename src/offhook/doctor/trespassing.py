"""What an agent must not be able to do with a server: have it execute commands, or call addresses past the dialplan.

Each check tries it, with what does nothing where it succeeds: a command that does not exist, a call to the doctor
itself, an expression that gives a word.
"""

from __future__ import annotations

import asyncio
from typing import cast

from offhook.config import is_loopback
from offhook.doctor import remedies
from offhook.doctor.bench import Bench
from offhook.doctor.calling import echo_call
from offhook.doctor.findings import CheckEnded, Outcome, cannot, failed, ok
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Leg
from offhook.doctor.reaching import place_of
from offhook.doctor.transferring import OUTCOME_SECONDS, outcome_of
from offhook.errors import ParseError, RemoteError
from offhook.sip.events import ReferFailed, RequestReceived
from offhook.sip.fields import Replaces
from offhook.sip.message import Request
from offhook.sip.parser import parse_message

API_REQUEST = "freeswitch/api-request"
HARMLESS_COMMAND = "offhook_doctor_is_no_command"
"""There is no such command of FreeSWITCH: it would be answered `-ERR INVALID COMMAND`, which says enough."""
MESSAGE_SECONDS = 3.0
"""In which a MESSAGE would come."""

NO_CALL = Replaces("offhook-doctor-has-no-such-call", to_tag="1", from_tag="2")

WORD = "offhookdoctor"
EXPRESSION = f"${{strftime({WORD})}}"
"""FreeSWITCH would put WORD in its place: a time in a format that has no time in it."""
BACK_SECONDS = 1.5
"""A call that is given back after a transfer is not to be touched for a second (dialplan/offhook.xml's `sleep`)."""
SIP_PORT = 5060


async def api_request(bench: Bench) -> Outcome:
    """A caller cannot have FreeSWITCH execute commands by INFO (mod_sofia, `sofia_handle_sip_i_info`)."""
    handset = bench.first()
    leg = await echo_call(bench, handset)
    answer = await handset.ask(leg, API_REQUEST, HARMLESS_COMMAND)
    if answer is None:
        raise CheckEnded(cannot("the INFO was not answered"))
    kind = "" if answer.response is None else (answer.response.content_type or "")
    if kind.startswith("freeswitch/"):
        remedy = "Set extended-info-parsing to false in sip_profiles/offhook.xml, then restart the profile; at once"
        raise CheckEnded(failed("EVERY CALLER CAN EXECUTE FreeSWITCH's COMMANDS (INFO freeswitch/api-request)", remedy))
    return ok(f"INFO with a command is answered {answer.status}, and not executed")


async def api_message(bench: Bench) -> Outcome:
    """An agent cannot have FreeSWITCH execute commands by MESSAGE (mod_dptools, `api_chat_send`).

    The answer to a command comes back as a MESSAGE only where a profile has the domain's name. So it counts too that a
    text to oneself by `sip+...` comes back: then what stands before the plus is taken for a way of chat, as `api` is.
    """
    handset = bench.first()
    mark = len(handset.events)
    answers = []
    domain = handset.line.domain
    for user in (f"api+{HARMLESS_COMMAND}", f"sip+{handset.line.user}+{domain}"):
        target = f"sip:{user}@{domain}"
        answers.append(await handset.request("MESSAGE", target, content_type="text/plain", body="offhook doctor"))
    command = answers[0]
    if command is None:
        raise CheckEnded(cannot("the MESSAGE was not answered"))
    if command.status >= 500 and command.status != 501:
        # A FreeSWITCH in trouble says this whether or not it would execute commands.
        raise CheckEnded(cannot(f"MESSAGE to a command is answered {command.status}, which says nothing: try again"))
    if command.status >= 300:
        return ok(f"MESSAGE to a command is refused, {command.status}")

    def is_message(event: RequestReceived) -> bool:
        return event.request.method == "MESSAGE"

    if await handset.wait((RequestReceived,), MESSAGE_SECONDS, since=mark, fits=is_message) is not None:
        remedy = (
            "Set enable-chat to false in sip_profiles/offhook.xml and in every other profile, those of trunks first, "
            "then restart them; do not load mod_verto; at once"
        )
        raise CheckEnded(failed("EVERY AGENT CAN EXECUTE FreeSWITCH's COMMANDS (MESSAGE to api+<command>)", remedy))
    return ok(f"MESSAGE to a command is answered {command.status}, and not executed")


class CalledParty(asyncio.DatagramProtocol):
    """A SIP address of the doctor's own, UDP: notes that it is called, and declines."""

    def __init__(self) -> None:
        self.calls = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            message = parse_message(data)
            if not isinstance(message, Request) or message.method != "INVITE":
                return
            answer = message.response(603, to_tag="offhook-doctor").serialize()
        except (ParseError, RemoteError):
            return
        self.calls += 1
        assert self._transport is not None
        self._transport.sendto(answer, addr)


async def own_address(bench: Bench) -> str:
    """The address of this machine that the server sees, unless there is NAT between. Raises OSError."""
    place = place_of(bench.config.sip[0])
    there = (place.host.strip("[]"), place.port or SIP_PORT)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=there
    )
    try:
        return str(transport.get_extra_info("sockname")[0])
    finally:
        transport.close()


async def unknown_replaces(bench: Bench) -> Outcome:
    """A REFER with a Replaces that names no call is refused (mod_sofia, "nightmare transfer").

    By itself FreeSWITCH calls the address in it, past the dialplan, and takes parameters of it for variables of that
    call: the address here is the doctor's own, without any.
    """
    caller, called = bench.first(), bench.second()
    leg, _ = await bench.talk(caller, called)
    try:
        address = await own_address(bench)
        loop = asyncio.get_running_loop()
        transport, party = await loop.create_datagram_endpoint(CalledParty, local_addr=(address, 0))
    except OSError as error:
        raise CheckEnded(cannot(f"no UDP port could be opened here to see it: {error.strerror or error}")) from None
    try:
        port = transport.get_extra_info("sockname")[1]
        host = f"[{address}]" if ":" in address else address
        mark = len(caller.events)
        id = caller.refer(leg, f"sip:offhook-doctor@{host}:{port}", replaces=NO_CALL)
        found = await outcome_of(caller, leg, id, mark)
    finally:
        transport.close()
    if party.calls:
        seen = (
            "EVERY AGENT CAN CALL ANY ADDRESS AND EXECUTE COMMANDS: a REFER with an unknown Replaces called the doctor"
        )
        raise CheckEnded(failed(seen, remedies.REFER))
    if leg.end is not None:
        seen = f"a REFER with an unknown Replaces ended the call it came in: {leg.refusal}"
        raise CheckEnded(failed(seen, "See the server's log for scripts/offhook/refer.lua"))
    if found is None:
        seen = (
            f"a REFER with an unknown Replaces: nothing was told within {OUTCOME_SECONDS:g} s; the server tries to call"
        )
        raise CheckEnded(failed(seen, remedies.REFER))
    if found.status < 300:
        raise CheckEnded(failed(f"a REFER with an unknown Replaces was told as done ({found.status})", remedies.REFER))
    note = "" if is_loopback(address) else f"a firewall or NAT between would hide a call to {address} from the doctor"
    return ok(f"refused, {found.status}; nobody was called", note)


async def expansion(bench: Bench) -> Outcome:
    """A Refer-To with `${...}` is refused before anything can expand it: what stands in it may be a command.

    A FreeSWITCH with dialplan/offhook.xml but for its first extension shows what it made of it in the next transfer.
    """
    caller, called = bench.first(), bench.second()
    leg, _ = await bench.talk(caller, called)
    mark = len(caller.events)
    id = caller.refer(leg, f"sip:{EXPRESSION}@{caller.line.domain}")
    found = await outcome_of(caller, leg, id, mark)
    if WORD in (await _number_told(bench, caller, leg, called)).replace(EXPRESSION, ""):
        seen = f"EVERY AGENT CAN EXECUTE FreeSWITCH's COMMANDS: {EXPRESSION} in a Refer-To was expanded to {WORD}"
        raise CheckEnded(failed(seen, remedies.NUMBERS))
    if isinstance(found, ReferFailed) or found is not None and found.status == 403:
        return ok(f"refused, {found.status}")
    said = "nothing was told" if found is None else str(found.status)
    seen = f"a Refer-To with {EXPRESSION} was looked up as a number ({said}), and not refused (403) before it could be"
    raise CheckEnded(failed(f"{seen} expanded", remedies.NUMBERS))


async def _number_told(bench: Bench, caller: Handset, leg: Leg, called: Handset) -> str:
    """Which number the next party is told that was dialled, when the call is transferred on; empty where none is."""
    spare = [one for one in bench.handsets.values() if one not in (caller, called)]
    if not spare:
        return ""
    if await bench.until(lambda: leg.end is not None, BACK_SECONDS):
        return ""
    before = list(spare[0].legs.values())
    caller.refer(leg, spare[0].line.user)
    rung = await spare[0].rings(4.0, known=before)
    return "" if rung is None or rung.request is None else rung.request.headers.get("X-Destination-Number") or ""
