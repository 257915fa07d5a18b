"""Consults: the agent's own call to a colleague about a customer who is on hold, and its other side, the agent asked.

Contract §2 rows 13 to 15; RB §3.10, §7.3. The consult that we made knows its customer's call (`Call.customer`): these
two are the pair that consultTransfer joins. When the customer leaves, the consult is over too, whether it rings or is
up: so the reference does it (RB §3.10), and its desk has no place for a consult about nobody. No other call is touched
(RB §8.11, §8.12). When the consult ends, the customer stays on hold but for the reason PRE_EMPTED (dialect efcx).
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.cti.call import Call, Outgoing, Phase, Takeover, Task
from offhook.cti.commands import HoldCall, MakeConsult, MakeConsultQueue, RetrieveCall
from offhook.cti.dialect import readable
from offhook.cti.dialog import NO_NUMBER, Kind, dropped, moved, outbound, usable_id
from offhook.cti.ending import Ending
from offhook.cti.errors import Failure, failure, invalid_action
from offhook.cti.holding import AGAIN_TIMER
from offhook.cti.numbering import refuse_number, refuse_text
from offhook.cti.outbound import Outbound
from offhook.cti.outcomes import Ticket
from offhook.cti.tasks import Tasks
from offhook.cti.transferring import ATTENDED
from offhook.cti.workplace import Workplace
from offhook.sip.events import DisplayUpdated

PRE_EMPTED = "PRE_EMPTED"
"""The Reason of a consult's end with which the customer is retrieved, where the vendor's media server says it.

FreeSWITCH hands on what the consulted party writes there: it would open the agent's microphone to the customer."""


class Consulting:
    """Makes consults, and takes over customers as the agent that was consulted."""

    def __init__(self, work: Workplace, tasks: Tasks, outbound: Outbound, ending: Ending) -> None:
        self._work = work
        self._tasks = tasks
        self._outbound = outbound
        self._ending = ending

    # The agent who consults

    def consult(self, ticket: Ticket, command: MakeConsult | MakeConsultQueue, now: Now) -> None:
        """Hold the customer, then call."""
        customer = self._customer(command.dialogId)
        if customer is None:
            known = command.dialogId is None or command.dialogId in self._work.calls
            why: Failure | None = invalid_action(command.action, "wrong-state" if known else "unknown-dialog")
        else:
            ticket.dialog_id = customer.id
            why = self._refuse(customer, command)
        if customer is None or why is not None:
            self._work.outcomes.failed(ticket, why or invalid_action(command.action), now)
            return
        about = customer
        if customer.held and customer.renegotiation is None and customer.task is None and not customer.tasks:
            self._place(ticket, command, about, now)
            return

        def held(why: Failure | None, now: Now) -> None:
            if ticket.closed:
                return
            if why is not None:  # the Error was told for the hold, or DROPPED for the call
                self._work.outcomes.failed(ticket, why, now, tell=False)
            elif about.phase is not Phase.UP or not about.held:
                self._work.outcomes.failed(ticket, invalid_action(command.action), now)
            else:
                self._place(ticket, command, about, now)

        hold = HoldCall(dialogId=customer.id)
        task = Task(hold, self._work.outcomes.begin(hold, None), own=True, part_of=ticket, then=held)
        self._tasks.submit(customer, task, now)

    def _customer(self, dialog_id: str | None) -> Call | None:
        """The call that a consult is to be about: the one named, else the one there is, the active one of several."""
        if dialog_id is not None:
            return self._work.calls.get(dialog_id)
        others = [call for call in self._work.up() if call.customer is None and call.kind is not Kind.MONITORING]
        calls = [call for call in others if call.kind is not Kind.CONSULT] or others
        active = [call for call in calls if not call.held] if len(calls) > 1 else calls
        return active[0] if len(active) == 1 else None

    def _refuse(self, customer: Call, command: MakeConsult | MakeConsultQueue) -> Failure | None:
        work = self._work
        if customer.phase is not Phase.UP or customer.kind is Kind.MONITORING:
            return invalid_action(command.action)
        kind = customer.dialog.callType
        if kind in ("CONSULT", "CONFERENCE"):
            return failure("wrong-call-type", f"Cannot consult on {kind}")
        if work.consults() or any(call.begins_consult for call in work.calls.values()):
            return failure("consult-exists", "Cannot consult when Consult Call already Exists")
        why = refuse_number(_target(command), *work.settings.monitoring_prefixes)
        if why is None and isinstance(command, MakeConsultQueue):
            why = refuse_text("queueType", command.queueType)
        if why is None and len(work.calls) >= work.settings.max_calls:
            why = failure("too-many-calls")
        return why

    def _place(self, ticket: Ticket, command: MakeConsult | MakeConsultQueue, customer: Call, now: Now) -> None:
        work = self._work
        if work.consults():  # another one came while the customer was being held
            why = failure("consult-exists", "Cannot consult when Consult Call already Exists")
            work.outcomes.failed(ticket, why, now)
            return
        target, about = _target(command), customer.dialog
        dialog = outbound(
            work.ids.token(96),
            target,
            about.serviceIdentifier,
            "audio",
            extension=work.extension,
            address_type=work.settings.media_address_type,
            originator="normal",
            wall=now.wall,
            kind=Kind.CONSULT,
        )
        # What the customer's INVITE told is passed on only where it can stand in a header.
        told = work.dialect.consult_headers(about.customerNumber, about.serviceIdentifier, customer.id)
        headers = [(name, value) for name, value in told if refuse_text(name, value) is None]
        consult = self._outbound.place(Kind.CONSULT, dialog, Outgoing(ticket, target, headers), now)
        if consult is not None:
            consult.customer = customer
            consult.queued = isinstance(command, MakeConsultQueue)

    def buried(self, call: Call, reason: str | None, now: Now) -> None:
        """A call is over: its consult is, too; or it was a consult, and the customer waits."""
        consult = self._work.consult_about(call)
        if consult is not None:
            self._ending.hang_up(consult, now)
        customer, pre_empted = call.customer, reason == PRE_EMPTED and not self._work.dialect.words
        if customer is not None and pre_empted and customer.phase is Phase.UP and customer.held:
            self._retrieve(customer, now)

    def _retrieve(self, call: Call, now: Now) -> None:
        retrieve = RetrieveCall(dialogId=call.id)
        self._tasks.submit(call, Task(retrieve, self._work.outcomes.begin(retrieve, None), own=True), now)

    # What the server tells

    def display_updated(self, call: Call, event: DisplayUpdated, now: Now) -> None:
        """The other party is another one now, or the same, which the server has joined us with."""
        call.joined_at = -1.0
        number = readable(event.number or "").strip() or None
        if event.attended or self._is_customer(call, number):
            self.taken_over(call, Takeover(number=number), now)
        elif call.queued and call.phase is Phase.UP:
            self._out_of_queue(call, now)

    def _is_customer(self, call: Call, number: str | None) -> bool:
        """Whether who we talk with by now is the customer whom we are consulted about.

        So FreeSWITCH tells who was transferred to us while the consult rang, without X-FS-Attended-Transfer.
        """
        consulted = call.kind is Kind.CONSULT and call.customer is None and call.outgoing is None
        customer = call.dialog.customerNumber
        return consulted and number == customer and customer not in (NO_NUMBER, call.dialog.fromAddress)

    def _out_of_queue(self, call: Call, now: Now) -> None:
        """An agent took our call."""
        self._outbound.taken(call, now)
        if call.held:  # another call was answered meanwhile
            call.dialog = moved(call.dialog, "HELD", now.wall, isCallAlreadyActive=True)
            self._work.tell(call, now)

    # The agent who is consulted

    def taken_over(self, call: Call, takeover: Takeover, now: Now) -> None:
        """The customer was passed on to us, who were consulted; told when the call is up and not on hold.

        From the hold that the colleague was on, the customer is retrieved (RB §7.3), but not into another call that is
        active: then it is for the agent to retrieve, as it is where retrieving fails.
        """
        if call.kind is not Kind.CONSULT or call.customer is not None:
            return
        call.takeover = takeover
        if call.phase is not Phase.UP or (call.task is None and not call.held):
            self.settled(call, now)
        elif not any(other is not call and not other.held for other in self._at_work()):
            self._retrieve(call, now)

    def _at_work(self) -> list[Call]:
        """Calls that are up, or are being answered."""
        at_work = (Phase.UP, Phase.ANSWERING, Phase.ACCEPTED)
        return [call for call in self._work.calls.values() if call.phase in at_work]

    def settled(self, call: Call, now: Now) -> None:
        """A call is up, or was held or retrieved, or not: tell a takeover that waited for it."""
        work, takeover = self._work, call.takeover
        if takeover is None or call.phase is not Phase.UP or call.held or call.renegotiation is not None:
            return
        call.takeover = None
        work.tell(call, now, dropped(call.dialog, ATTENDED, now.wall, ended=0))
        wanted = usable_id(takeover.dialog_id or call.customer_id)
        if wanted is not None and wanted not in work.calls:
            work.timers.cancel(work.owner, f"{AGAIN_TIMER}{call.id}")
            work.rename(call, wanted)
        number = call.dialog.customerNumber
        if number == NO_NUMBER:
            number = takeover.number or number
        call.kind = Kind.IN
        call.dialog = moved(
            call.dialog,
            "ACTIVE",
            now.wall,
            callType="CONSULT_TRANSFER",
            fromAddress=number,
            ani=number,
            customerNumber=number,
            serviceIdentifier=takeover.destination or call.dialog.serviceIdentifier,
            isCallAlreadyActive=True,
            isCallEnded=0,
        )
        work.tell(call, now)


def _target(command: MakeConsult | MakeConsultQueue) -> str:
    """The user part of the Request-URI."""
    if isinstance(command, MakeConsultQueue):
        return f"{command.numberToTransfer}-{command.queue}"
    return command.numberToConsult
