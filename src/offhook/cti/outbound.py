"""Calls that we make: from the command to the first ACTIVE. Contract §2 rows 2, 3; RB §3.3.

INITIATING is told when the INVITE leaves, INITIATED exactly once, ACTIVE at the 2xx. What ends it is for `ending`.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.cti.call import Call, Outgoing, Phase, Step
from offhook.cti.commands import MakeCall, MakeOBCall
from offhook.cti.dialog import Kind, answered, moved, outbound, usable_id
from offhook.cti.ending import Ending
from offhook.cti.errors import failure, media_failure
from offhook.cti.events import CallVariable, CallVariables, Dialog
from offhook.cti.numbering import refuse_number, refuse_text
from offhook.cti.outcomes import Ticket
from offhook.cti.words import STREAMS
from offhook.cti.workplace import Purpose, Workplace
from offhook.errors import LocalError
from offhook.media.engine import Direction
from offhook.sip.events import Progress
from offhook.sip.message import Response
from offhook.sip.uri import Uri


class Outbound:
    """Makes calls."""

    def __init__(self, work: Workplace, ending: Ending) -> None:
        self._work = work
        self._ending = ending

    def dial(self, ticket: Ticket, command: MakeCall | MakeOBCall, now: Now) -> None:
        """An ordinary call."""
        work = self._work
        refused = (
            refuse_number(command.calledNumber, *work.settings.monitoring_prefixes)
            or refuse_text("Destination_Number", command.Destination_Number, *work.settings.monitoring_prefixes)
            or refuse_text("callType", command.callType)
        )
        if refused is not None:
            work.outcomes.failed(ticket, refused, now)
            return
        dialog = outbound(
            work.ids.token(96),
            command.calledNumber,
            command.Destination_Number,
            command.callType,
            extension=work.extension,
            address_type=work.settings.media_address_type,
            originator="webrtc" if isinstance(command, MakeCall) else "normal",
            wall=now.wall,
        )
        headers = work.dialect.call_headers(dialog.serviceIdentifier, dialog.mediaType or "audio")
        shown = STREAMS.get(command.callType)
        self.place(Kind.OUT, dialog, Outgoing(ticket, command.calledNumber, headers, video=shown), now)

    def place(self, kind: Kind, dialog: Dialog, outgoing: Outgoing, now: Now) -> Call | None:
        """Have the engine make an offer for a call whose numbers were checked; None where there are calls enough."""
        work, ticket = self._work, outgoing.ticket
        assert ticket is not None, "a command wants it"
        if len(work.calls) >= work.settings.max_calls:
            work.outcomes.failed(ticket, failure("too-many-calls"), now)
            return None
        call = Call(dialog, kind, work.new_media(), Phase.OFFERING, outgoing=outgoing)
        ticket.dialog_id = call.id
        work.calls[call.id] = call
        work.outcomes.start(ticket, now)
        video = None if outgoing.video is None else Direction.SENDRECV
        work.make_offer(call, Purpose.DIAL, outgoing.direction, now, video)
        return call

    def offer_made(self, call: Call, sdp: str, now: Now) -> None:
        """Send the INVITE."""
        work, outgoing = self._work, call.outgoing
        assert outgoing is not None, "only our own calls begin with an offer"
        call.step(Step.OFFERED)
        try:
            target = str(Uri.sip(outgoing.target, work.settings.domain))
            call.headers = tuple(outgoing.headers)
            work.attach(call, work.ua.invite(target, sdp, now, headers=outgoing.headers))
            self._take_id(call)
        except LocalError as problem:
            self._ending.bury(call, None, now, failure("not-sent", detail=str(problem)))

    def _take_id(self, call: Call) -> None:
        """Where the server's MESSAGEs name calls by their dialog id, it is one that the server knows: the Call-ID."""
        work = self._work
        if work.dialect.words or call.session is None:
            return
        wanted = usable_id(work.ua.session(call.session).call_id)
        if wanted is not None and wanted not in work.calls:
            work.rename(call, wanted)
            if call.dial is not None:
                call.dial.dialog_id = wanted

    def offer_failed(self, call: Call, code: str, detail: str, now: Now) -> None:
        """No offer, no INVITE: the call never was, so only the Error is told. No video: call without."""
        outgoing = call.outgoing
        if outgoing is not None and outgoing.video is not None and code == "unsupported":
            outgoing.video = None
            self._work.make_offer(call, Purpose.DIAL, outgoing.direction, now)
            return
        self._ending.bury(call, None, now, media_failure(code, detail))

    def sent(self, call: Call, now: Now) -> None:
        """The INVITE has left."""
        if call.phase is Phase.CALLING:
            call.dialog = moved(call.dialog, "INITIATING", now.wall)
            self._work.tell(call, now)

    def progress(self, call: Call, progress: Progress, now: Now) -> None:
        """100 says that the server took it, an 18x that it gets somewhere."""
        self._work.outcomes.done(call.dial)
        if progress.status > 100:
            self._initiated(call, now)

    def established(self, call: Call, response: Response | None, now: Now) -> None:
        """The 2xx is in and the ACK is out. A queue answers at once, with music: INITIATED until an agent took it."""
        self._work.outcomes.done(call.dial)
        if not call.can(Step.ESTABLISHED):
            return
        self._initiated(call, now)
        call.step(Step.ESTABLISHED)
        call.answered = True
        call.queued = call.queued and response is not None and self._work.dialect.tells_agent(response)
        if not call.queued:
            self.taken(call, now)

    def taken(self, call: Call, now: Now) -> None:
        """Somebody is there: ACTIVE for the first time."""
        call.queued = False
        # The reference gives outbound calls this one variable once they are up (RB §4.3).
        variables = CallVariables((CallVariable("callVariable0", ""),))
        call.dialog = answered(call.dialog, now.wall, callVariables=variables)
        self._work.tell(call, now)

    def _initiated(self, call: Call, now: Now) -> None:
        if call.phase is Phase.CALLING and call.dialog.state == "INITIATING":
            call.dialog = moved(call.dialog, "INITIATED", now.wall)
            self._work.tell(call, now)
