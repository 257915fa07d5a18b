"""Transfers as transactions: SST, SST_Queue, consultTransfer. Contract §2 rows 11, 12, 15; RB §3.8, §3.9, §3.11, §8.5.

A transfer has come about when the server reports so (final NOTIFY of 2xx) or, after it accepted the REFER, ends our
part of the call by an ordinary BYE. Everything else leaves the call as it was, or is the plain end of it. What the
server said before it could know, a stock FreeSWITCH's 2xx before the target has rung, is done with the result code
`transfer.unconfirmed`.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from offhook.clock import Now
from offhook.cti.asking import Asking
from offhook.cti.call import Call, Phase, Step, Task, Transfer
from offhook.cti.commands import SST, ConsultTransfer, RetrieveCall, SSTQueue
from offhook.cti.conferencing import refusal
from offhook.cti.dialect import readable
from offhook.cti.dialog import Kind
from offhook.cti.ending import JOINING, Ending
from offhook.cti.errors import Failure, failure, invalid_action
from offhook.cti.holding import AGAIN
from offhook.cti.numbering import refuse_number, refuse_text
from offhook.cti.outcomes import Ticket
from offhook.cti.tasks import Tasks
from offhook.cti.words import Word
from offhook.cti.workplace import Workplace
from offhook.errors import LocalError
from offhook.sip.events import End, ReferAccepted, ReferExpired, ReferFailed, ReferProgress, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.phrases import PHRASES
from offhook.sip.uri import Uri

REFER_TIMER = "refer:"
LEGS_TIMER = "legs:"
SETTLED = 0.05
"""Seconds between the 2xx to a hold and a REFER: FreeSWITCH loses the call where they follow within 1 ms (20 do)."""
PATIENCE = 2.0
"""Seconds that the server has to end our part of the call, or of both calls, before we do."""
AT_ONCE = 1.0
"""A report that comes so soon after the REFER was accepted, and without any before it, may be made before ringing."""

BLIND = "direct-transfered"
ATTENDED = "ATTENDED_TRANSFER"
UNCONFIRMED = {"code": "transfer.unconfirmed"}
DIGITS = "digits"
"""Stands for the REFER where there is none."""

_UNKNOWN = (
    "The server did not say in time what came of the transfer. The call may be silent: who was transferred has gone, "
    "or is still on the way, which is told if it is heard of."
)
_ANOTHER = (
    "The server takes no other transfer of this call now. The one before has failed for the agent, but not for the "
    "server: it may come about still, which is told then."
)
FORBIDDEN = 403
"""FreeSWITCH's answer to a transfer while another one is under way."""
_ORDINARY = frozenset({"NORMAL_CLEARING", "ATTENDED_TRANSFER", "BLIND_TRANSFER"})
"""Texts of the Reason of a BYE by which a server lets go of who transferred a call."""
_NOT_BRIDGED = "ORIGINATOR_CANCEL"
"""The same, where FreeSWITCH has not bridged the call yet: it accepts the REFER, says this at once, and transfers."""


def let_go(ended: SessionEnded) -> bool:
    """Whether the server ended our part because we are not needed any more, as far as its Reason tells."""
    if not ended.by_remote:
        return False
    if ended.end is End.REFUSED:  # a consult that was ringing: FreeSWITCH answers 486 to its INVITE (trace 06c)
        return True
    if ended.end is not End.BYE:
        return False
    return all(reason.cause in (None, 16) or (reason.text or "").upper() in _ORDINARY for reason in ended.reasons)


def let_go_unbridged(ended: SessionEnded) -> bool:
    """Whether this is how FreeSWITCH lets go of who transferred a call before it was bridged, or was so again."""
    by_bye = ended.by_remote and ended.end is End.BYE
    return by_bye and [(reason.cause, reason.text) for reason in ended.reasons] == [(487, _NOT_BRIDGED)]


def refused_by_target(status: int, phrase: str) -> Failure:
    """The failure that a report tells; FreeSWITCH writes the status for the phrase too."""
    words = readable(phrase)
    if not words or words.isdecimal():
        words = PHRASES.get(status, f"SIP {status}")
    row = failure("transfer-refused", words, f"The target of the transfer answered {status} {words}.")
    return Failure(row.type, str(status), row.description, row.detail)


class Transferring:
    """Runs the transfer tasks of the calls, and decides what the ends of their sessions mean."""

    def __init__(self, work: Workplace, tasks: Tasks, ending: Ending) -> None:
        self._work = work
        self._tasks = tasks
        self._ending = ending
        self._asking = Asking(work)

    # Commands

    def start(self, call: Call, task: Task, now: Now) -> None:
        """An SST or SST_Queue, in its turn."""
        command = task.command
        assert isinstance(command, SST | SSTQueue), "only these start here"
        why = self._refuse(call, command.action) or self._refuse_type(call) or self._refuse_target(command)
        if why is not None:
            self._tasks.finish(call, why, now)
            return
        call.transfer = Transfer(BLIND, task, before=_earlier(call))
        self.go_on(call, now)

    def complete(self, ticket: Ticket, command: ConsultTransfer, now: Now) -> None:
        """A consultTransfer: find the pair of calls."""
        pairs = [
            (consult.customer, consult)
            for consult in self._work.consults()
            if consult.customer is not None and command.dialogId in (None, consult.id, consult.customer.id)
        ]
        if len(pairs) == 1:
            customer = pairs[0][0]
            ticket.dialog_id = customer.id
            self._tasks.submit(customer, Task(command, ticket), now)
            return
        known = command.dialogId is None or command.dialogId in self._work.calls
        why = invalid_action(command.action, "wrong-state" if known else "unknown-dialog")
        self._work.outcomes.failed(ticket, why, now)

    def start_consult(self, call: Call, task: Task, now: Now) -> None:
        """A consultTransfer, in its turn on the customer's call."""
        consult = self._work.consult_about(call)
        why = self._refuse(call, task.command.action)
        if why is None and (consult is None or not _takes_over(consult)):
            why = invalid_action(task.command.action)
        if why is not None or consult is None:
            self._tasks.finish(call, why, now)
            return
        ringing = consult.phase is not Phase.UP
        call.transfer = Transfer(ATTENDED, task, consult, before=_earlier(call), ringing=ringing)
        self.go_on(call, now)

    def _refuse(self, call: Call, action: str) -> Failure | None:
        if call.phase is not Phase.UP or call.kind is Kind.MONITORING:
            return invalid_action(action)
        if call.transfer is not None and call.transfer.task is not None:
            return failure("transfer-pending")
        if call.renegotiation is not None:
            return failure("timeout", detail="An earlier hold or retrieve has no answer yet.")
        return None

    def _refuse_type(self, call: Call) -> Failure | None:
        kind = call.dialog.callType if self._work.consult_about(call) is None else "CONSULT"
        if kind in ("CONSULT", "CONFERENCE"):
            return failure("wrong-call-type", f"Connot trigger Blind Transfer when Call type is {kind}")
        return None

    def _refuse_target(self, command: SST | SSTQueue) -> Failure | None:
        why = refuse_number(_target(command), *self._work.settings.monitoring_prefixes)
        if why is None and isinstance(command, SSTQueue):
            why = refuse_text("queueType", command.queueType)
        return why

    def go_on(self, call: Call, now: Now) -> None:
        """Send the REFER, as soon as the last hold or retrieve has settled."""
        transfer = call.transfer
        if transfer is None or transfer.task is None or transfer.refer is not None:
            return
        if call.waits or (transfer.consult is not None and transfer.consult.waits):
            self._work.timers.set(self._work.owner, f"{REFER_TIMER}{call.id}", now.monotonic + AGAIN)
            return
        legs = [call] if transfer.consult is None else [call, transfer.consult]
        settled = max([leg.renegotiated_at + SETTLED for leg in legs] + [leg.joined_at + JOINING for leg in legs])
        if now.monotonic < settled:
            self._work.timers.set(self._work.owner, f"{REFER_TIMER}{call.id}", settled)
            return
        if transfer.consult is not None and not self._work.dialect.words:
            self._by_digits(call, transfer, transfer.consult, now)
            return
        try:
            transfer.refer = self._refer(call, transfer, transfer.task, now)
        except LocalError as problem:
            self._fail(call, transfer, failure("not-sent", detail=str(problem)), now)

    def _refer(self, call: Call, transfer: Transfer, task: Task, now: Now) -> str:
        assert call.session is not None, "a call that is up has a session"
        work, command, consult = self._work, task.command, transfer.consult
        by = Address(None, Uri.sip(work.extension, work.settings.domain))
        if consult is not None:
            target = str(Uri.sip(consult.dialog.dialedNumber, work.settings.domain))
            return work.ua.refer(call.session, target, now, replaces=consult.session, referred_by=by)
        assert isinstance(command, SST | SSTQueue), "the other has a consult"
        target = str(Uri.sip(_target(command), work.settings.domain))
        headers: list[tuple[str, str]] = []
        if isinstance(command, SSTQueue):
            headers = work.dialect.queue_headers(command.queue, command.queueType)
        return work.ua.refer(call.session, target, now, headers=headers, referred_by=by)

    def _by_digits(self, call: Call, transfer: Transfer, consult: Call, now: Now) -> None:
        """Dialect efcx: digits on the consult, which is retrieved before; the ends of both calls confirm (RB §3.11)."""
        transfer.refer = DIGITS

        def heard(why: Failure | None, word: Word | None, now: Now) -> None:
            if word is not None:
                why = refusal("Consult Tranfer", "transfer-refused", word)  # the reference's spelling
            if why is not None:
                self._fail(call, transfer, why, now)

        def retrieved(why: Failure | None, now: Now) -> None:
            if call.transfer is not transfer or transfer.task is None or call.task is not transfer.task:
                return  # the customer's call is over, and with it the consult
            if why is None and consult.phase is Phase.UP:
                self._asking.ask(call, "TRANSFER", {}, heard, now, session=consult.session)
            else:
                self._fail(call, transfer, why or invalid_action(transfer.task.command.action), now)

        if consult.held:
            retrieve = RetrieveCall(dialogId=consult.id)
            ticket = self._work.outcomes.begin(retrieve, None)
            self._tasks.submit(consult, Task(retrieve, ticket, own=True, then=retrieved), now)
        else:
            retrieved(None, now)

    def unsent(self, call: Call, why: Failure, now: Now) -> None:
        """A REFER that waits for the connection is given up."""
        if call.transfer is not None and call.transfer.refer is None:
            self._fail(call, call.transfer, why, now)

    # What the server says

    def digits_taken(self, call: Call, now: Now) -> None:
        """The server has the digits: from now on the ends of the calls may be by the transfer."""
        if call.transfer is not None and call.transfer.refer == DIGITS:
            call.transfer.accepted_at = now.monotonic

    def accepted(self, call: Call, event: ReferAccepted, now: Now) -> None:
        transfer = _of(call, event.id)
        if transfer is not None and transfer.accepted_at is None:
            transfer.accepted_at = now.monotonic
            call.referred = True

    def reported(self, call: Call, event: ReferProgress, now: Now) -> None:
        """A NOTIFY."""
        transfer = _of(call, event.id) or self._earlier_reported(call, event)
        if transfer is None or transfer.succeeded_at is not None:
            return
        if not event.final:
            transfer.reported = True
        elif event.status >= 300:
            call.joined_at, call.given_back = now.monotonic, True
            self._fail(call, transfer, refused_by_target(event.status, event.phrase), now)
        else:
            transfer.succeeded_at = now.monotonic
            if transfer.accepted_at is None:
                transfer.accepted_at = now.monotonic  # it overtook the 2xx
            self._work.timers.set(self._work.owner, f"{LEGS_TIMER}{call.id}", now.monotonic + PATIENCE)
            self._settle(call, transfer, now)

    def _earlier_reported(self, call: Call, event: ReferProgress) -> Transfer | None:
        """A report about the transfer before; where that one came about after all, the call goes by it."""
        earlier = None if call.transfer is None else call.transfer.before
        if call.transfer is None or earlier is None or earlier.refer != event.id or not event.final:
            return None
        if event.status >= 300:
            call.transfer.before = None
            return None
        call.transfer = earlier
        return earlier

    def refused(self, call: Call, event: ReferFailed, now: Now) -> None:
        """The REFER itself was refused, or not answered."""
        transfer = _of(call, event.id)
        if transfer is None or call.session not in self._work.ua.sessions():
            return  # the session ended by this (481): DROPPED comes next and tells it all
        if not event.final:  # the server may be at it: as if it had been accepted
            if transfer.accepted_at is None:
                transfer.accepted_at = now.monotonic
            call.referred = True
            return
        words = f"{event.status} {readable(event.phrase)}".rstrip()
        detail = f"The server answered {words} to the transfer; the call is as it was."
        self._fail(
            call, transfer, failure("transfer-refused", readable(event.phrase) or str(event.status), detail), now
        )

    def expired(self, call: Call, event: ReferExpired) -> None:
        """No report will come. A BYE may, until the command's time is over."""
        transfer = _of(call, event.id)
        if transfer is not None and transfer.task is None:
            call.transfer = None
        elif call.transfer is not None and call.transfer.before is not None and call.transfer.before.refer == event.id:
            call.transfer.before = None

    def ended(self, leg: Call, ended: SessionEnded, now: Now) -> None:
        """A session is over: by the transfer, or by itself."""
        call = self._transferred(leg)
        transfer = None if call is None else call.transfer
        if call is None or transfer is None or not _belongs(transfer, ended, now):
            self._ending.ended(leg, ended, now)
            return
        leg.step(Step.HANG_UP)  # what it still waits for is its being told
        transfer.kept[leg.id] = ended
        self._settle(call, transfer, now)

    def _transferred(self, leg: Call) -> Call | None:
        """The customer's call of the transfer under way in which this is one of the legs."""
        if leg.transfer is not None:
            return leg
        customer = leg.customer
        if customer is None or customer.transfer is None or customer.transfer.consult is not leg:
            return None
        return customer

    def _settle(self, call: Call, transfer: Transfer, now: Now) -> None:
        """Tell the ends that are kept, the consult's first, once it is clear that they are the transfer's."""
        legs = _legs(call, transfer)
        if transfer.succeeded_at is None and any(leg.id not in transfer.kept for leg in legs):
            timer = f"{LEGS_TIMER}{call.id}"
            if not self._work.timers.is_set(self._work.owner, timer):
                self._work.timers.set(self._work.owner, timer, now.monotonic + PATIENCE)
            return
        self._conclude(call, transfer, now)
        for leg in legs:
            if leg.id not in transfer.kept:
                return
            self._ending.ended(leg, transfer.kept.pop(leg.id), now)

    def _conclude(self, call: Call, transfer: Transfer, now: Now) -> None:
        """It came about: so the ends of the calls will be told, whatever ends them."""
        for leg in _legs(call, transfer):
            leg.passed_on = transfer.reason
        if transfer.task is not None:
            transfer.task.ends_well = True
            transfer.task.result = _result(transfer, now)

    # Time

    def legs_last(self, call: Call, now: Now) -> None:
        """The server had its time to end both legs, or the one."""
        transfer = call.transfer
        assert transfer is not None, "the timer is set for a transfer, and cancelled with it"
        if transfer.succeeded_at is None:
            # One leg of two ended, and nothing says that it was for the transfer. Now only a report could.
            transfer.by_report = True
            self._tell_kept(call, transfer, now)
            return
        self._conclude(call, transfer, now)
        for leg in _legs(call, transfer):
            if leg.id not in transfer.kept:
                self._ending.hang_up(leg, now)

    def out_of_time(self, call: Call, now: Now) -> bool:
        """The command had all its time. True where nothing is known, and so the server is to be asked for the calls."""
        transfer = call.transfer
        assert transfer is not None, "a transfer task that runs has one"
        if transfer.succeeded_at is not None:
            self._tasks.finish(call, None, now, result=_result(transfer, now))
            transfer.task = None
            self.legs_last(call, now)
            return False
        transfer.task = None
        transfer.by_report = True
        self._tasks.finish(call, failure("timeout", detail=_UNKNOWN), now)
        return True

    # Failure

    def _fail(self, call: Call, transfer: Transfer, why: Failure, now: Now) -> None:
        """It did not come about, and the calls are as they were."""
        call.transfer = transfer.before
        call.referred = transfer.before is not None
        if call.referred and why.code == str(FORBIDDEN):
            why = failure("transfer-pending", detail=_ANOTHER)
        self._work.timers.cancel(self._work.owner, f"{LEGS_TIMER}{call.id}")
        if transfer.task is not None and call.id not in transfer.kept:
            self._tasks.finish(call, why, now)
        self._tell_kept(call, transfer, now)

    def _tell_kept(self, call: Call, transfer: Transfer, now: Now) -> None:
        """Tell the ends that were kept for what they are."""
        kept, transfer.kept = transfer.kept, {}
        for leg in _legs(call, transfer):
            if leg.id in kept:
                self._ending.ended(leg, kept[leg.id], now)


def _target(command: SST | SSTQueue) -> str:
    """The user part of the Refer-To."""
    if isinstance(command, SSTQueue):
        return f"{command.numberToTransfer}-{command.queue}"
    return command.numberToTransfer


def _takes_over(consult: Call) -> bool:
    """Whether somebody can take the customer over: it is answered, by no queue alone, or it rings."""
    if consult.phase is Phase.UP:
        return not consult.queued
    return consult.phase is Phase.CALLING and consult.dialog.state == "INITIATED"


def _earlier(call: Call) -> Transfer | None:
    """The transfer whose command had all its time, and of which an outcome may still come."""
    if call.transfer is not None:
        call.transfer.before = None
    return call.transfer


def _of(call: Call, refer: str) -> Transfer | None:
    """The transfer that a report is about; None where it is about one that is forgotten."""
    return call.transfer if call.transfer is not None and call.transfer.refer == refer else None


def _legs(call: Call, transfer: Transfer) -> list[Call]:
    """The calls that end with the transfer and are not over, in the order in which they are told."""
    legs = [call] if transfer.consult is None else [transfer.consult, call]
    return [leg for leg in legs if leg.phase is not Phase.OVER]


def _result(transfer: Transfer, now: Now) -> Any:
    """What the commandResult says of a transfer that came about: whether the target has answered, as far as is known.

    A stock FreeSWITCH reports success at once and ends our part by itself; one that confirms leaves that to us.
    """
    if transfer.refer == DIGITS:
        return UNSET
    if transfer.ringing or transfer.succeeded_at is None or transfer.accepted_at is None:
        return UNCONFIRMED
    confirmed = (
        transfer.consult is not None
        or transfer.reported
        or transfer.succeeded_at - transfer.accepted_at > AT_ONCE
        or now.monotonic - transfer.succeeded_at >= PATIENCE
    )
    return UNSET if confirmed else UNCONFIRMED


def _belongs(transfer: Transfer, ended: SessionEnded, now: Now) -> bool:
    """Whether the end of one of its legs may be by the transfer."""
    if transfer.succeeded_at is not None:
        return True
    if transfer.accepted_at is None or transfer.by_report:
        return False
    at_once = transfer.consult is None and now.monotonic - transfer.accepted_at < AT_ONCE
    return let_go(ended) or (at_once and let_go_unbridged(ended))
