"""makeCall and makeOBCall: from the command to the first ACTIVE. Contract §2 rows 2, 3; RB §3.3.

INITIATING is told when the INVITE leaves, INITIATED exactly once, ACTIVE at the 2xx. What ends it is for `ending`.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.cti.call import Call, Phase, Step
from offhook.cti.commands import MakeCall, MakeOBCall
from offhook.cti.dialog import Kind, answered, moved, outbound
from offhook.cti.ending import Ending
from offhook.cti.errors import failure, media_failure
from offhook.cti.events import CallVariable, CallVariables
from offhook.cti.numbering import refuse_number, refuse_text
from offhook.cti.outcomes import Ticket
from offhook.cti.workplace import Purpose, Workplace
from offhook.errors import LocalError
from offhook.media.engine import Direction
from offhook.sip.events import Progress
from offhook.sip.uri import Uri


class Outbound:
    """Makes calls."""

    def __init__(self, work: Workplace, ending: Ending) -> None:
        self._work = work
        self._ending = ending

    def dial(self, ticket: Ticket, now: Now) -> None:
        """Check the number and have the engine make an offer."""
        work = self._work
        command = ticket.command
        assert isinstance(command, MakeCall | MakeOBCall), "only these two dial"
        refused = (
            refuse_number(command.calledNumber, work.settings.monitoring_prefix)
            or refuse_text("Destination_Number", command.Destination_Number)
            or refuse_text("callType", command.callType)
        )
        if refused is None and len(work.calls) >= work.settings.max_calls:
            refused = failure("too-many-calls")
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
        call = Call(dialog, Kind.OUT, work.new_media(), Phase.OFFERING, dial=ticket)
        ticket.dialog_id = call.id
        work.calls[call.id] = call
        work.outcomes.start(ticket, now)
        work.make_offer(call, Purpose.DIAL, Direction.SENDRECV, now)

    def offer_made(self, call: Call, sdp: str, now: Now) -> None:
        """Send the INVITE."""
        work = self._work
        call.step(Step.OFFERED)
        dialog = call.dialog
        headers = work.dialect.call_headers(dialog.serviceIdentifier, dialog.mediaType or "audio")
        try:
            target = str(Uri.sip(dialog.dialedNumber, work.settings.domain))
            work.attach(call, work.ua.invite(target, sdp, now, headers=headers))
        except LocalError as problem:
            self._ending.bury(call, None, now, failure("not-sent", detail=str(problem)))

    def offer_failed(self, call: Call, code: str, detail: str, now: Now) -> None:
        """No offer, no INVITE: the call never was, so only the Error is told."""
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

    def established(self, call: Call, now: Now) -> None:
        """The 2xx is in and the ACK is out."""
        self._work.outcomes.done(call.dial)
        if not call.can(Step.ESTABLISHED):
            return
        self._initiated(call, now)
        call.step(Step.ESTABLISHED)
        call.answered = True
        # The reference gives outbound calls this one variable once they are up (RB §4.3).
        variables = CallVariables((CallVariable("callVariable0", ""),))
        call.dialog = answered(call.dialog, now.wall, callVariables=variables)
        self._work.tell(call, now)

    def _initiated(self, call: Call, now: Now) -> None:
        if call.phase is Phase.CALLING and call.dialog.state == "INITIATING":
            call.dialog = moved(call.dialog, "INITIATED", now.wall)
            self._work.tell(call, now)
