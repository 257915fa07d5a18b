"""Calls that we make: from the command to the first ACTIVE. Contract §2 rows 2, 3; RB §3.3.

INITIATING is told when the INVITE leaves, INITIATED exactly once, ACTIVE at the 2xx. What ends it is for `ending`.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.cti.call import Call, Outgoing, Phase, Step
from offhook.cti.commands import MakeCall, MakeOBCall
from offhook.cti.dialog import Kind, answered, moved, outbound
from offhook.cti.ending import Ending
from offhook.cti.errors import failure, media_failure
from offhook.cti.events import CallVariable, CallVariables, Dialog
from offhook.cti.numbering import refuse_number, refuse_text
from offhook.cti.outcomes import Ticket
from offhook.cti.workplace import Purpose, Workplace
from offhook.errors import LocalError
from offhook.sip.events import Progress
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
            refuse_number(command.calledNumber, work.settings.monitoring_prefix)
            or refuse_text("Destination_Number", command.Destination_Number)
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
        self.place(Kind.OUT, dialog, Outgoing(ticket, command.calledNumber, headers), now)

    def place(self, kind: Kind, dialog: Dialog, outgoing: Outgoing, now: Now) -> Call | None:
        """Have the engine make an offer for a call whose numbers were checked; None where there are calls enough."""
        work, ticket = self._work, outgoing.ticket
        if len(work.calls) >= work.settings.max_calls:
            work.outcomes.failed(ticket, failure("too-many-calls"), now)
            return None
        call = Call(dialog, kind, work.new_media(), Phase.OFFERING, outgoing=outgoing)
        ticket.dialog_id = call.id
        work.calls[call.id] = call
        work.outcomes.start(ticket, now)
        work.make_offer(call, Purpose.DIAL, outgoing.direction, now)
        return call

    def offer_made(self, call: Call, sdp: str, now: Now) -> None:
        """Send the INVITE."""
        work, outgoing = self._work, call.outgoing
        assert outgoing is not None, "only our own calls begin with an offer"
        call.step(Step.OFFERED)
        try:
            target = str(Uri.sip(outgoing.target, work.settings.domain))
            work.attach(call, work.ua.invite(target, sdp, now, headers=outgoing.headers))
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
