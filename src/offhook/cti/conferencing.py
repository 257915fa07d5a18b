"""Conferences: how calls become one, who is in it, how one becomes a call again. Contract §2 row 16; RB §3.12, §7.3.

The server joins the calls and tells all members at each change who they are, by a word CONFERENCE; what desks are told
follows from that word alone. The agent's call with the customer stays what it was, the same dialog and the same `id`.
Where it was held for the consult it is retrieved after the join: if the join fails, the customer is still where they
were, and if the retrieve fails, the conference goes on and the agent retrieves again.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from offhook.clock import Now
from offhook.cti.asking import Asking
from offhook.cti.call import Call, Phase, Task
from offhook.cti.commands import ConferenceConsult, DropParticipant, RetrieveCall
from offhook.cti.dialect import readable
from offhook.cti.dialog import CONFERENCE, Kind, again, changed, dropped, kept, member, moved, usable_id
from offhook.cti.ending import Ending
from offhook.cti.errors import Failure, failure, invalid_action
from offhook.cti.events import Participant, State
from offhook.cti.holding import AGAIN, AGAIN_TIMER, Change, Holding
from offhook.cti.numbering import reachable
from offhook.cti.outcomes import Ticket
from offhook.cti.tasks import Tasks
from offhook.cti.words import Member, Word, write
from offhook.cti.workplace import Workplace
from offhook.errors import LocalError
from offhook.media.engine import Direction
from offhook.sip.events import SessionEnded
from offhook.sip.uri import Uri

MOST_MEMBERS = 4
JOINED = "CONSULT_CONFERENCE"
"""The callEndReason of a consult that went into a conference."""
_JOINED_TEXTS = (JOINED, "CONFERENCE")
"""Texts of the Reason header with which a server ends the consult for it."""
_ORDINARY = "OTHER_IN"

_REASONS = {
    "LIMIT_REACHED": ("conference-limit", "LIMIT REACHED of 4 unique members"),
    "ON_HOLD": ("call-on-hold", "call is ON HOLD"),
    "CUSTOMER_LEFT": ("customer-left", "CUSTOMER LEFT"),
    "CONSULT_LEFT": ("consult-left", "CONSULT LEFT"),
    "NOT_ALLOWED": ("not-allowed", "ERROR : Unknown EVENT "),
}

_CHANGES: dict[str, tuple[State | None, bool | None]] = {
    "CONFERENCE_MEMBER_HOLD": ("HELD", None),
    "CONFERENCE_MEMBER_UNHOLD": ("ACTIVE", None),
    "CONFERENCE_MEMBER_MUTE": (None, True),
    "CONFERENCE_MEMBER_UNMUTE": (None, False),
}
MEMBER_CHANGES = frozenset(_CHANGES)
"""Events of MESSAGEs by which members tell each other how they are."""


def refusal(what: str, code: str, word: Word) -> Failure:
    """What is told of a conference that the server refused: the reference's sentences, letter for letter (RB §7.3)."""
    known, text = _REASONS.get(word.reason or "", (code, "ERROR : Unknown EVENT "))
    return failure(known, f"{what} Failed due to {text}", f"The server said {word.reason or 'nothing more'}.")


class Conferencing:
    """Makes conferences, and tells what the server says of them."""

    def __init__(self, work: Workplace, tasks: Tasks, ending: Ending, asking: Asking, holding: Holding) -> None:
        self._work = work
        self._tasks = tasks
        self._ending = ending
        self._asking = asking
        self._holding = holding

    # conference_consult

    def confer(self, call: Call, ticket: Ticket, now: Now) -> None:
        """A conference_consult; `call` is the customer's or the consult."""
        customer = call.customer or call
        why = self._unfit(customer)
        if why is not None:
            self._work.outcomes.failed(ticket, why, now)
        else:
            self._tasks.submit(customer, Task(ticket.command, ticket), now)

    def start(self, call: Call, task: Task, now: Now) -> None:
        """In its turn on the customer's call."""
        command = task.command
        assert isinstance(command, ConferenceConsult), "only that starts here"
        why = self._unfit(call)
        consult = self._work.consult_about(call)
        if why is not None or consult is None or consult.session not in self._work.ua.sessions():
            # A session may have ended at this moment, which is told next.
            self._tasks.finish(call, why or invalid_action(command.action, "no-consult"), now)
            return

        def heard(why: Failure | None, word: Word | None, now: Now) -> None:
            if word is not None and word.event != CONFERENCE:
                why = refusal("Consult Conference", "conference-refused", word)
            self._tasks.finish(call, why, now)

        assert consult.session is not None, "it is one of the user agent's"
        fields = {"consult": self._work.ua.session(consult.session).call_id}
        # Without words the digits go where the desk said (RB §3.12).
        named = consult.session if not self._work.dialect.words and command.dialogId == consult.id else None
        self._asking.ask(call, "CONFERENCE", fields, heard, now, session=named)

    def _unfit(self, call: Call) -> Failure | None:
        """Why this call and its consult cannot become a conference."""
        consult = self._work.consult_about(call)
        if call.phase is not Phase.UP or call.restored or call.listens:
            return invalid_action("conference_consult")
        if consult is None or consult.phase is not Phase.UP or consult.queued:
            return invalid_action("conference_consult", "no-consult")
        members = {each.mediaAddress for each in call.dialog.participants}
        if len(members | {call.dialog.customerNumber, consult.dialog.customerNumber}) > MOST_MEMBERS:
            return refusal("Consult Conference", "conference-refused", Word(event="", reason="LIMIT_REACHED"))
        return None

    def consult_ends(self, call: Call, ended: SessionEnded) -> None:
        """A call ends: if its BYE says that it went into a conference that we asked for, that is how it is told.

        Unasked it says nothing: FreeSWITCH hands on what the consulted party writes into its Reason.
        """
        texts = [reason.text for reason in ended.reasons if reason.text]
        if call.customer is None or not ended.by_remote or not texts or readable(texts[0]) not in _JOINED_TEXTS:
            return
        task = call.customer.task
        if task is not None and isinstance(task.command, ConferenceConsult):
            call.passed_on = JOINED

    def consult_over(self, call: Call, now: Now) -> None:
        """A call is over, and all of it told: without the consult there will be no conference.

        In a dialect without words its end may be the first that is heard of one; and so may it after an outage.
        """
        customer = call.customer
        task = None if customer is None else customer.task
        if customer is None or task is None or task.inquiry is None or not isinstance(task.command, ConferenceConsult):
            return
        if call.passed_on is None and self._work.dialect.words and not self._asking.doubts(customer):
            left = Word(event="", reason="CONSULT_LEFT")
            self._asking.over(task, refusal("Consult Conference", "conference-refused", left), None, now)

    # dropParticipant

    def drop(self, call: Call, task: Task, now: Now) -> None:
        """A dropParticipant, in its turn."""
        command = task.command
        assert isinstance(command, DropParticipant), "only that starts here"
        if call.phase is not Phase.UP or not call.in_conference:
            self._tasks.finish(call, invalid_action(command.action), now)
            return
        if all(each.mediaAddress != command.participant for each in call.dialog.participants[1:]):
            self._tasks.finish(call, failure("unknown-participant"), now)
            return

        def heard(why: Failure | None, word: Word | None, now: Now) -> None:
            if word is not None and word.event != "DONE":
                why = failure("drop-refused", detail=f"The server said {word.reason or 'nothing more'}.")
            self._tasks.finish(call, why, now)

        # Without the customer there is no conference: its end may be heard before the server's word.
        task.ends_well = command.participant == call.dialog.customerNumber
        self._asking.ask(call, "DROP_MEMBER", {"member": command.participant}, heard, now)

    # What the server says

    def told(self, call: Call, word: Word, now: Now) -> None:
        """A word CONFERENCE for this call."""
        if call.phase is not Phase.UP or call.queued:  # to desks, a call in a queue has not begun
            return
        # After an outage the server does not repeat our id: our leg may be another one to it.
        asked = self._asking.awaits(call, word) or (len(word.members) > 2 and self._asking.doubts(call))
        confers = asked and call.task is not None and isinstance(call.task.command, ConferenceConsult)
        others = [each for each in word.members if each.ext != self._work.extension]
        if not call.in_conference and not asked and len(others) < 2:
            return  # it is an ordinary call, and that is known
        joined = self._take_in_consult(call, confers or word.reason == JOINED, now) or confers
        call.conference = word.conference or call.conference
        if call.in_conference:
            self._changed(call, others, now)
        else:
            self._become(call, word, others, now, told=joined)
        if asked:
            self._asking.heard(call, None, word, now)
        if joined and call.held and not call.restored and call.phase is Phase.UP:
            retrieve = RetrieveCall(dialogId=call.id)
            self._tasks.submit(call, Task(retrieve, self._work.outcomes.begin(retrieve, None), own=True), now)

    def _take_in_consult(self, call: Call, joined: bool, now: Now) -> bool:
        """The consult of this call went into the conference; its BYE may come only now, or not at all."""
        consult = self._work.consult_about(call)
        if not joined or consult is None or consult.phase is not Phase.UP:
            return False
        consult.passed_on = JOINED
        session = consult.session
        self._ending.bury(consult, None, now)
        if session in self._work.ua.sessions():
            self._work.ua.hangup(session, now)
        return True

    def _become(self, call: Call, word: Word, others: list[Member], now: Now, *, told: bool) -> None:
        """A call becomes a conference. `told`: by the end of the consult; else by its own DROPPED (RB §7.3)."""
        work, kind = self._work, call.kind
        own = call.dialog
        if not told:
            work.tell(call, now, dropped(own, word.reason or CONFERENCE, now.wall, ended=0))
        if call.listens:
            self._speak(call, now)
        if call.listens or (kind is Kind.CONSULT and call.customer is None):
            self._take_over(call, word, now)
        call.listens = False
        call.kind = Kind.IN  # from now on it is told by dialogState
        call.customer = call.customer_id = None
        listed = self._listed(others, now)
        dialog = replace(call.dialog, callType=CONFERENCE, participants=(call.dialog.participants[0], *listed))
        call.dialog = kept(dialog, "HELD" if call.held else "ACTIVE", now.wall, isCallAlreadyActive=True)
        work.tell(call, now)

    def _speak(self, call: Call, now: Now) -> None:
        """Who listened takes part from now on."""
        call.silent = call.whispering = False
        own = call.dialog.participants[0]
        call.dialog = replace(call.dialog, participants=(replace(own, mute=False),))
        if call.restored or call.outgoing is None:
            return
        if call.outgoing.direction is not Direction.SENDRECV:
            call.outgoing.direction = Direction.SENDRECV
            self._holding.change(call, call.direction(call.held), None, lambda why, answer, now: None, now)
        self._holding.set_microphone(call)

    def _take_over(self, call: Call, word: Word, now: Now) -> None:
        """Whose call was about the customer's has it now: its id, where that is known and free, and the number."""
        work, old = self._work, call.id
        wanted = usable_id(word.customer_dialog_id or call.customer_id)
        if wanted is not None and wanted not in work.calls and call.transfer is None:
            work.rename(call, wanted)
            if work.timers.is_set(work.owner, f"{AGAIN_TIMER}{old}"):
                work.timers.cancel(work.owner, f"{AGAIN_TIMER}{old}")
                work.timers.set(work.owner, f"{AGAIN_TIMER}{wanted}", now.monotonic + AGAIN)
        number = word.customer_number or call.dialog.customerNumber
        service = word.customer_destination or call.dialog.serviceIdentifier
        call.dialog = replace(
            call.dialog, fromAddress=number, ani=number, customerNumber=number, serviceIdentifier=service
        )

    def _listed(self, others: Iterable[Member], now: Now) -> tuple[Participant, ...]:
        kind = self._work.settings.media_address_type
        return tuple(member(each.ext, kind, now.wall, held=each.held, mute=each.muted) for each in others)

    def _changed(self, call: Call, others: list[Member], now: Now) -> None:
        """Who left (two events each), who came (one each), who is otherwise now (one); at last, what is left."""
        present = {each.ext: each for each in others}
        had_customer = self._has_customer(call)
        for gone in call.dialog.participants[1:]:
            if gone.mediaAddress not in present:
                rest = tuple(each for each in call.dialog.participants if each is not gone)
                last = changed(gone, "DROPPED", now.wall, mute=False)
                listed = [last if each is gone else each for each in call.dialog.participants]
                self._tell(call, listed, now)
                self._tell(call, rest, now)
        known = {each.mediaAddress for each in call.dialog.participants}
        for new in self._listed((each for each in others if each.ext not in known), now):
            self._tell(call, (*call.dialog.participants, new), now)
        if self._work.dialect.words:  # others tell it themselves, by MESSAGEs
            self._restate(call, {ext: ("HELD" if m.held else "ACTIVE", m.muted) for ext, m in present.items()}, now)
        left = had_customer and not self._has_customer(call)
        if left and call.outgoing is None and not self._work.dialect.words:
            # There the server leaves that to its clients (RB §7.3). Who called may be the customer itself, whose
            # `customerNumber` is the agent's: that one stays.
            self._ending.hang_up(call, now)
        elif len(call.dialog.participants) <= 2:
            self._dissolve(call, now)

    def _has_customer(self, call: Call) -> bool:
        return any(each.mediaAddress == call.dialog.customerNumber for each in call.dialog.participants[1:])

    def _dissolve(self, call: Call, now: Now) -> None:
        """Two are left: an ordinary call."""
        own = call.dialog.participants[0]
        call.conference = None
        dialog = replace(call.dialog, callType=_ORDINARY, participants=(own,))
        call.dialog = moved(dialog, "HELD" if call.held else "ACTIVE", now.wall, isCallAlreadyActive=True)
        self._work.tell(call, now)

    def _restate(self, call: Call, states: dict[str, tuple[State, bool]], now: Now) -> None:
        listed = [
            changed(each, *states[each.mediaAddress][:1], now.wall, mute=states[each.mediaAddress][1])
            if states.get(each.mediaAddress, (each.state, each.mute)) != (each.state, each.mute)
            else each
            for each in call.dialog.participants[1:]
        ]
        if tuple(listed) != call.dialog.participants[1:]:
            self._tell(call, (call.dialog.participants[0], *listed), now)

    def _tell(self, call: Call, participants: Iterable[Participant], now: Now) -> None:
        call.dialog = again(replace(call.dialog, participants=tuple(participants)))
        self._work.tell(call, now)

    # How members are

    def back(self, call: Call, now: Now) -> None:
        """The server is there again: who tells it how they are is told who is in the conference by now."""
        if call.in_conference and self._work.dialect.words:
            self._tell_server(call, now)

    def _tell_server(self, call: Call, now: Now) -> None:
        own = call.dialog.participants[0]
        self._asking.tell(call, "MEMBER_STATE", {"held": call.held, "muted": own.mute}, now)

    def own_changed(self, call: Call, change: Change, now: Now) -> None:
        """We hold or retrieve, mute or unmute: tell the others."""
        if not call.in_conference or call.phase is not Phase.UP:
            return
        if self._work.dialect.words:
            self._tell_server(call, now)
            return
        body = write(
            {
                "event": f"CONFERENCE_MEMBER_{change}",
                "reasonCode": "",
                "callType": "",
                "dialog": {"id": call.id, "message": None, "call1": None, "call2": None},
                "additionalAttributes": {
                    "conference": {"name": call.conference or ""},
                    "members": [{"ext": self._work.extension}],
                },
            }
        )
        for other in call.dialog.participants[1:]:
            if not reachable(other.mediaAddress, *self._work.settings.monitoring_prefixes):
                continue
            try:
                target = str(Uri.sip(other.mediaAddress, self._work.settings.domain))
                self._work.ua.request("MESSAGE", target, now, content_type="text/plain", body=body)
            except LocalError:
                return  # there is no flow now; the event was told to our desks

    def other_changed(self, call: Call, word: Word, now: Now) -> None:
        """A MESSAGE of another member: it holds, retrieves, mutes or unmutes."""
        state, mute = _CHANGES[word.event]
        if call.phase is not Phase.UP or not call.in_conference:
            return
        named = {each.ext for each in word.members}
        states = {
            each.mediaAddress: (state or each.state, each.mute if mute is None else mute)
            for each in call.dialog.participants[1:]
            if each.mediaAddress in named
        }
        self._restate(call, states, now)
