"""One agent: a registration, its calls, its events. JSON-able commands in, SIP and engine requests and events out.

    session = AgentSession(settings, "1000", "1234", timers=timers, ids=ids)
    session.command(Login(extension="1000", password="1234", id="1"), "desk", now)
    for output in session.outputs(): ...    # flow outputs, engine requests, Publish, Reply, Finished

Change, drain, change: after each `command`, `receive` and `handle_timer` the outputs are taken, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

import msgspec

from offhook import __version__
from offhook.clock import Ids, Now, Timers
from offhook.cti.codec import CommandRefused
from offhook.cti.commands import (
    SST,
    AnswerCall,
    BargeIn,
    Command,
    ConferenceConsult,
    ConsultTransfer,
    ConvertCall,
    DropParticipant,
    GetState,
    HoldCall,
    Login,
    Logout,
    MakeCall,
    MakeConsult,
    MakeConsultQueue,
    MakeOBCall,
    RenewToken,
    Resume,
    RetrieveCall,
    SendDtmf,
    SilentMonitor,
    SSTQueue,
    UpdateCallVariableData,
    Whisper,
)
from offhook.cti.controller import Controller
from offhook.cti.dialects import DIALECTS
from offhook.cti.errors import failure, invalid_action
from offhook.cti.events import AgentState, AgentStateResponse, Dialog, Service, Snapshot, SnapshotResponse
from offhook.cti.numbering import refuse_number
from offhook.cti.outcomes import TIMER as TICKET_TIMER
from offhook.cti.outcomes import Outcomes, Ticket
from offhook.cti.presence import LEAVE_TIMER, OUTAGE_TIMER, Presence, Standing
from offhook.cti.records import (
    AgentRecord,
    StreamRecord,
    convert_record,
    read_calls,
    write_calls,
)
from offhook.cti.settings import AgentSettings as AgentSettings
from offhook.cti.stream import EventStream, Finished, Held, Outbox, Output, Persist, Publish, Reply
from offhook.cti.workplace import Workplace
from offhook.media.engine import EngineEvent
from offhook.sip.events import (
    Registered,
    RegistrationFailed,
    ServerLost,
    ServerReached,
    SipEvent,
    Unregistered,
)
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowInput,
    FlowOpened,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.sip.user_agent import Account, UserAgent

__all__ = ["AgentSession", "AgentSettings", "Finished", "Output", "Publish", "Reply"]

_DUE = "due"
BUG_SECONDS = 10.0
"""So often, at most, desks are told of failures of ours that answer no command."""
_DIALS = MakeCall | MakeOBCall | SilentMonitor
_ON_THE_WIRE = (
    _DIALS
    | AnswerCall
    | HoldCall
    | RetrieveCall
    | SendDtmf
    | SST
    | SSTQueue
    | MakeConsult
    | MakeConsultQueue
    | ConsultTransfer
    | ConferenceConsult
    | DropParticipant
    | BargeIn
    | Whisper
    | ConvertCall
    | UpdateCallVariableData
)
"""Commands that need the server; during an outage they wait or fail."""


class AgentSession:
    """See the module. `ready`: a set into which the session puts its extension when it has outputs, also from timers.

    `journal`: whether what must outlive the process is put out (`Persist`); `owner` names that process in it.
    The machines of a session have a timer heap of their own; in `timers` there is one timer for all of them.
    """

    def __init__(
        self,
        settings: AgentSettings,
        extension: str,
        password: str,
        *,
        timers: Timers,
        ids: Ids,
        ready: set[str] | None = None,
        journal: bool = False,
        owner: str = "",
        record: AgentRecord | None = None,
    ) -> None:
        self.extension = extension
        self.epoch = 0 if record is None else record.epoch + 1
        self._owner = owner
        self._available = True
        self._password = password
        self._kept: AgentRecord | None = None
        self._journal = journal
        self._now = Now(0.0, 0.0)
        self._timers = timers
        self._own_timers = Timers()
        self._due: float | None = None
        self._bug_told = -BUG_SECONDS
        self._ready = ready
        ua = self._user_agent(settings, ids, record)
        outbox = Outbox(extension, self._stream(settings, ids, record), settings.utc_offset)
        outcomes = Outcomes(outbox, self._own_timers, self, settings.command_timeout)
        dialect = DIALECTS[settings.dialect]
        self._work = Workplace(settings, extension, ua, outbox, outcomes, self._own_timers, ids, dialect, self)
        self._controller = Controller(self._work)
        self._presence = Presence(self._work, self._controller)

    def _user_agent(self, settings: AgentSettings, ids: Ids, record: AgentRecord | None) -> UserAgent:
        account = Account(
            user=self.extension,
            domain=settings.domain,
            password=self._password,
            servers=settings.servers,
            realm=settings.realm,
            expires=settings.register_expires,
            product=f"Offhook/{__version__}",
            session_expires=settings.session_expires,
            redirects=settings.redirects,
            may_call=lambda number: refuse_number(number, *settings.monitoring_prefixes) is None,
            instance=settings.instance(self.extension),
            credentials={} if record is None else record.credentials,
        )
        # Flows of a session that is over may still be closing when the next one of the same agent opens its own.
        # They are in logs, where numbers are not: of the extension, its last two characters.
        name = f"{self.extension[-2:] if len(self.extension) > 2 else ''}.{ids.token(64)}"
        own = self._own_timers
        if record is None:
            return UserAgent(account, timers=own, ids=ids, timing=settings.timing, name=name)
        return UserAgent.restore(record.user_agent, account, timers=own, ids=ids, timing=settings.timing, name=name)

    @staticmethod
    def _stream(settings: AgentSettings, ids: Ids, record: AgentRecord | None) -> EventStream:
        name, seq = (ids.token(96), 0) if record is None else (record.stream.name, record.stream.seq)
        return EventStream(name, seq=seq, keep_events=settings.history_events, keep_seconds=settings.history_seconds)

    @classmethod
    def restore(
        cls,
        record: AgentRecord | dict[str, Any],
        settings: AgentSettings,
        password: str | None,
        *,
        timers: Timers,
        ids: Ids,
        now: Now,
        ready: set[str] | None = None,
        journal: bool = False,
        owner: str = "",
        tail: Sequence[Held] = (),
    ) -> AgentSession:
        """An agent from the `record` (or `snapshot`) of another process: it connects at once, and its calls come back.

        `password` None: the record's HA1s do. `tail`: events that were told, oldest first, for desks that come back.
        Calls that were not up then are gone; that is told. msgspec.ValidationError (a ValueError) for what is no
        record; it is ours, so what else is wrong with it raises what it raises.
        """
        record = convert_record(record)
        session = cls(
            settings,
            record.extension,
            password or "",
            timers=timers,
            ids=ids,
            ready=ready,
            journal=journal,
            owner=owner,
            record=record,
        )
        session._available, session._work.supervisor = record.available, record.supervisor
        session._work.outbox.stream.refill(tail, now)
        for call in read_calls(record.calls, session._work, frozenset(session._work.ua.sessions())):
            session._controller.ending.bury(call, None, now)
        session._controller.recovering.lost(now)
        if record.logged_in:
            session._presence.resume_work(now)
        session._after(now)
        return session

    def record(self, now: Now) -> AgentRecord:
        """All that another process needs to go on; no password, no media. A secret all the same."""
        work, stream = self._work, self._work.outbox.stream
        return AgentRecord(
            extension=self.extension,
            owner=self._owner,
            epoch=self.epoch,
            logged_in=self._presence.standing is Standing.IN,
            available=self._available,
            supervisor=work.supervisor,
            stream=StreamRecord(name=stream.name, seq=stream.seq),
            calls=write_calls(work.calls.values()),
            credentials=work.ua.credentials,
            user_agent=work.ua.snapshot(now),
        )

    def snapshot(self, now: Now) -> dict[str, Any]:
        """`record` as JSON-able values."""
        taken: dict[str, Any] = msgspec.to_builtins(self.record(now))
        return taken

    def supersede(self) -> None:
        """Another process acts for this agent now: end here, without a word to the server, and no event.

        `Finished` is all that is put out; who runs us closes flows and media by it.
        """
        self._presence.standing = Standing.OVER
        self._presence.usable = self._journal = False
        self._work.calls.clear()
        self._work.outbox.drain()
        self._timers.cancel(self, _DUE)
        self._work.outbox.put(Finished(self.extension, "superseded"))

    # What the gateway asks

    @property
    def verified(self) -> bool:
        """It has been registered with its password."""
        return self._presence.verified

    @property
    def over(self) -> bool:
        """Logged out or refused: a login needs a new session. `Finished` comes with, or soon after, it."""
        return self._presence.over

    @property
    def dialogs(self) -> tuple[Dialog, ...]:
        """The live dialogs, oldest first."""
        return tuple(call.dialog for call in self._work.calls.values() if call.announced)

    def check_password(self, password: str) -> bool:
        """Whether this is the agent's password; takes as long whatever is wrong with it."""
        if not self._password and (proved := self._work.ua.proves(password)) is not None:
            return proved
        given, own = (text.encode("utf-8", "surrogatepass") for text in (password, self._password))
        return compare_digest(given, own)

    @property
    def registration(self) -> Service:
        """As `xmppEvent` tells it."""
        return self._presence.service

    def set_supervisor(self, supervisor: bool) -> None:
        """Whether it may listen to others' calls although the settings do not name it: a token says so."""
        self._work.supervisor = supervisor

    @property
    def available(self) -> bool:
        """False: new calls are answered 480."""
        return self._available

    def set_available(self, available: bool) -> None:
        self._available = available

    def media_of(self, dialog_id: str) -> str | None:
        """The engine's name of a live dialog's media session."""
        call = self._work.calls.get(dialog_id)
        return None if call is None or call.restored else call.media

    def dialog_of(self, media: str) -> str | None:
        """The live dialog that an engine's media session belongs to."""
        return next((call.id for call in self._work.calls.values() if call.media == media), None)

    def renew(self, media: frozenset[str], now: Now) -> None:
        """These media sessions have lost their path, and can have another: negotiate them anew."""
        if self._presence.usable:
            self._controller.renew(media, now)
        self._after(now)

    def park(self, now: Now) -> None:
        """The page with the audio is gone: hold what is active, take no new calls."""
        self._available = False
        if self._presence.usable:
            self._controller.hold_all(now)
        self._after(now)

    def unpark(self, now: Now) -> None:
        """The page is back: take calls again, retrieve what `park` held."""
        self._available = True
        if self._presence.usable:
            self._controller.retrieve_all(now)
        self._after(now)

    # Inputs

    def command(self, command: Command, origin: str | None, now: Now) -> None:
        """A command of a desk; `origin` names where its answers go."""
        ticket = self._work.outcomes.begin(command, origin)
        try:
            self._carry_out(command, ticket, now)
        except Exception:  # broad: a bug must not leave the desk without an outcome; who runs us logs it
            self._work.outcomes.failed(ticket, failure("internal"), now)
            self._go_on()
            raise

    def _carry_out(self, command: Command, ticket: Ticket, now: Now) -> None:
        match command:
            case Login():
                self._presence.login(ticket, now)
            case Logout():
                self._presence.logout(ticket, now)
            case Resume():
                self._resume(command, ticket)
            case GetState():
                self._tell_state(ticket)
            case _:
                self._admit(ticket, now)
        self._after(now)

    def refuse(self, refused: CommandRefused, origin: str | None, now: Now) -> None:
        """A text from a desk of this agent that the codec could not take for a command."""
        if not refused.silent:
            self._work.outbox.error(refused.failure, refused.dialog_id, now)
        result = refused.result()
        if result is not None:
            self._work.outbox.reply(origin, result)
        self._after(now)

    def receive(self, given: FlowInput | EngineEvent, now: Now) -> None:
        """What a transport or the media engine reports."""
        try:
            if isinstance(given, FlowOpened | FlowFailed | FlowReceived | FlowAlive | FlowClosed):
                self._work.ua.receive(given, now)
            else:
                self._controller.engine(given, now)
            self._after(now)
        except Exception:  # broad: a bug must not leave the desks in silence; who runs us logs it
            self.failed(now)
            raise

    def failed(self, now: Now) -> None:
        """A bug showed at something that happened to this agent: all its desks are told, and it goes on."""
        if now.monotonic >= self._bug_told + BUG_SECONDS:
            self._bug_told = now.monotonic
            self._work.outbox.error(failure("bug"), None, now)
        self._go_on()

    def outputs(self) -> list[Output]:
        """What is to be done, in order; drained."""
        items = self._work.outbox.drain()
        if not self._journal or not items:
            return items
        if any(isinstance(item, Finished) for item in items):
            self._kept = None
            return [*items, Persist(self.extension, self.epoch, None)]
        record = self.record(self._now)
        if not self._presence.verified or (self._kept is not None and _same(record, self._kept)):
            return items
        self._kept = record
        return [Persist(self.extension, self.epoch, record), *items]

    def handle_timer(self, timer: str, now: Now) -> None:
        """One of our timers, or (`due`) the one that stands for all of them."""
        if timer == _DUE:
            self._due = None
            try:
                self._own_timers.fire(now)
                self._after(now)
            except Exception:  # broad: as with an input
                self.failed(now)
                raise
        elif timer == OUTAGE_TIMER:
            self._presence.outage_lasts(now)
        elif timer == LEAVE_TIMER:
            self._presence.leave_lasts(now)
        elif timer.startswith(TICKET_TIMER):
            self._controller.out_of_time(self._work.outcomes.of_timer(timer), now)
        else:
            self._controller.timer(timer, now)

    # Commands

    def _admit(self, ticket: Ticket, now: Now) -> None:
        """Execute a command, have it wait for the server, or refuse it."""
        work, presence, command = self._work, self._presence, ticket.command
        dials = isinstance(command, _DIALS)
        if presence.standing is not Standing.IN and (dials or presence.standing is not Standing.REFUSED):
            # The reference's text is the same for all of them (RB §3.3).
            action = "makeCall" if dials else command.action
            work.outcomes.failed(ticket, invalid_action(action, "not-logged-in"), now)
        elif presence.usable or not isinstance(command, _ON_THE_WIRE):
            self._execute(ticket, now)
        elif presence.told_out or presence.standing is not Standing.IN:
            work.outcomes.failed(ticket, failure("out-of-service"), now)
        elif len(presence.waiting) >= work.settings.max_waiting_commands:
            work.outcomes.failed(ticket, failure("too-many-commands"), now)
        else:
            presence.waiting.append(ticket)

    def _execute(self, ticket: Ticket, now: Now) -> None:
        command = ticket.command
        assert not isinstance(command, Login | Logout | Resume | RenewToken | GetState), "these need no call"
        self._controller.execute(ticket, command, now)

    def _resume(self, command: Resume, ticket: Ticket) -> None:
        outbox, stream = self._work.outbox, self._work.outbox.stream
        missed = stream.since(command.stream, command.seq)
        if missed is None:
            response = SnapshotResponse(
                loginId=self.extension,
                stream=stream.name,
                seq=stream.seq,
                registration=self._presence.service,
                dialogs=self.dialogs,
            )
            outbox.reply(ticket.origin, Snapshot(response=response))
        for event in missed or ():
            outbox.reply(ticket.origin, event)
        self._work.outcomes.done(ticket, {"stream": stream.name, "seq": stream.seq})

    def _tell_state(self, ticket: Ticket) -> None:
        response = AgentStateResponse(
            loginId=self.extension,
            extension=self.extension,
            state="LOGIN" if self._presence.standing is Standing.IN else "LOGOUT",
            registration=self._presence.service,
            dialogs=self.dialogs,
        )
        self._work.outbox.reply(ticket.origin, AgentState(response=response))
        self._work.outcomes.done(ticket, msgspec.to_builtins(response))

    # The user agent

    def _after(self, now: Now) -> None:
        """Deal with all that the user agent put out, and see that we are called again in time."""
        self._now = now
        ua, outbox = self._work.ua, self._work.outbox
        while (items := ua.outputs()) or self._presence.settle(now):
            for item in items:
                if isinstance(item, OpenFlow | Send | Probe | CloseFlow):
                    outbox.put(item)
                else:
                    self._sip(item, now)
        self._go_on()

    def _go_on(self) -> None:
        """See that we are called again in time, and asked for what we put out."""
        due = None if self._presence.standing is Standing.OVER else self._own_timers.next()
        if due != self._due:
            self._due = due
            if due is None:
                self._timers.cancel(self, _DUE)
            else:
                self._timers.set(self, _DUE, due)
        if self._work.outbox.items and self._ready is not None:
            self._ready.add(self.extension)

    def _sip(self, event: SipEvent, now: Now) -> None:
        match event:
            case Registered():
                back = not self._presence.usable
                for ticket in self._presence.registered(now):
                    self._execute(ticket, now)
                if self._available:
                    self._controller.retrieve_all(now)
                if back:
                    self._controller.probe(now)
            case RegistrationFailed():
                self._presence.refused(event, now)
            case ServerLost():
                self._controller.recovering.lost(now)
                self._presence.lost(event.reason, now)
            case Unregistered():
                self._presence.gone(now)
            case ServerReached():
                self._controller.recovering.back(now)  # registration follows
            case _:
                self._controller.sip(event, self._available and self._presence.standing is Standing.IN, now)


def _same(one: AgentRecord, other: AgentRecord) -> bool:
    """Whether two records differ in nothing but when they were taken."""
    ours, theirs = one.user_agent, other.user_agent
    if any(ours[key] != theirs[key] for key in ours if key != "at"):
        return False
    return one == msgspec.structs.replace(other, user_agent=ours)
