"""The agents that live on this gateway and the connections that watch and command them. Pure.

`Hub` is the node that the driver runs. What it is made of: `desks` (connections), `logins` (which desk is whose),
`routes` (whose a flow or a media session is). All of them are maps that are filled as outputs pass through and emptied
when what they name ends, so that nothing here looks at all agents for one event.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

from offhook.clock import Ids, Now, Timers
from offhook.cti import codec
from offhook.cti.agent import Finished, Output, Publish, Reply
from offhook.cti.commands import (
    BargeIn,
    Login,
    Logout,
    MakeCall,
    MakeOBCall,
    ReleaseCall,
    RenewToken,
    Resume,
    SilentMonitor,
    Whisper,
)
from offhook.cti.errors import failure
from offhook.cti.stream import Audit, Persist
from offhook.gateway.desks import Attended, Desk, Desks, masked
from offhook.gateway.history import History
from offhook.gateway.interface import (
    PROGRAM,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    Drain,
    HubInput,
    HubOutput,
    HubSettings,
    Instruct,
    Leave,
    Restore,
    Stop,
    Stopped,
    Superseded,
    Tell,
    TellPage,
    UseAudio,
)
from offhook.gateway.keeping import Keeping, forgotten, read_agent, read_calls
from offhook.gateway.logins import Logins
from offhook.gateway.page import HERE, PageAudio, is_media
from offhook.gateway.rates import Rates
from offhook.gateway.reports import Reports, is_report
from offhook.gateway.resources import AgentView, call_view
from offhook.gateway.routes import Routes
from offhook.media.engine import CloseMedia, EngineEvent, EngineRequest, SetSink, SetSource
from offhook.sip.flow import CloseFlow, FlowInput

logger = logging.getLogger(__name__)

_DIALS = MakeCall | MakeOBCall | SilentMonitor
"""Commands that begin a call which is no part of another."""
_UNANSWERED = frozenset({"ALERTING", "INITIATING", "INITIATED"})


class Hub:
    """All agents and connections of a gateway."""

    def __init__(self, settings: HubSettings, *, ids: Ids, timers: Timers | None = None) -> None:
        self.timers = timers if timers is not None else Timers()
        self._settings = settings
        self._agents: dict[str, Attended] = {}
        self._ready: set[str] = set()
        self._out: list[HubOutput] = []
        self._now = Now(0.0, 0.0)
        """Of the last input."""
        self._routes = Routes()
        self._desks = Desks(settings, self.timers, put=self._put, command=self._command)
        self._logins = Logins(
            settings,
            self._agents,
            self._desks,
            timers=self.timers,
            ids=ids,
            ready=self._ready,
            put=self._put,
            attach=self._attach,
            log_out=self._log_out,
        )
        limits = settings.limits
        self._rates = Rates(limits.agent_burst, limits.agent_per_second, keys=limits.agents)
        self._reports = Reports(limits.connections)
        self.history = History()
        self._keeping = Keeping(settings.owner, self.history) if settings.owner else None
        self._leaving = False
        self.commands: Counter[str] = Counter()
        """By action; `unknown` are those that were none."""
        self._for_pages: list[tuple[str, EngineRequest]] = []
        self._pages: PageAudio | None = None
        if settings.audio_with_page:
            self._pages = PageAudio(
                timers=self.timers,
                ids=ids,
                ice=settings.ice,
                tell=self._put,
                deliver=self._engine_event,
                renew=self._renew,
            )
        self._receivers: dict[type, Callable[..., None]] = {
            ConnectionOpened: self._desks.opened,
            ConnectionReceived: self._desks.received,
            ConnectionClosed: self._closed,
            Instruct: self._instruct,
            UseAudio: self._use_audio,
            Stop: self._stop,
            Drain: self._begin_to_drain,
            Leave: self._leave,
            Restore: self._restore,
            Superseded: self._supersede,
            **dict.fromkeys(get_args(FlowInput), self._flow_input),
            **dict.fromkeys(get_args(EngineEvent), self._engine_event),
        }

    def _put(self, output: HubOutput) -> None:
        self._out.append(output)

    # What it tells of itself

    @property
    def agents(self) -> int:
        return len(self._agents)

    @property
    def connections(self) -> int:
        return len(self._desks)

    @property
    def calls(self) -> int:
        """Live calls of all agents; counted when asked."""
        return sum(len(agent.session.dialogs) for agent in self._agents.values())

    @property
    def routes(self) -> int:
        """Flows and media sessions that lead to an agent: for tests, that nothing stays behind."""
        return len(self._routes) + (0 if self._pages is None else self._pages.sessions)

    def agent_views(self, tenant: str) -> list[AgentView]:
        """The agents of a tenant, by extension."""
        return [
            AgentView(
                extension=extension,
                registration=agent.session.registration,
                desks=len(agent.desks),
                calls=[call_view(extension, dialog) for dialog in agent.session.dialogs],
            )
            for extension, agent in sorted(self._agents.items())
            if agent.tenant == tenant and not agent.leaving
        ]

    def extension_of(self, flow: str) -> str | None:
        """Whose flow that is."""
        return self._routes.owner(flow)

    def snapshot(self, extension: str, now: Now) -> dict[str, Any] | None:
        """All that another process needs to go on with an agent (`AgentSession.snapshot`); None where there is none."""
        agent = self._agents.get(extension)
        return None if agent is None else agent.session.snapshot(now)

    # The verbs

    def receive(self, given: HubInput, now: Now) -> None:
        self._now = now
        self._receivers[type(given)](given, now)

    def outputs(self) -> list[HubOutput]:
        while self._ready:
            # In the order of the extensions, so that a run can be repeated octet for octet.
            for extension in sorted(self._ready):
                self._ready.discard(extension)
                agent = self._agents.get(extension)
                if agent is not None:
                    self._drain(agent)
        drained, self._out = self._out, []
        return drained

    def handle_timer(self, timer: str, now: Now) -> None:
        kind, _, name = timer.partition(" ")
        if kind == "pages":
            self._ask_pages(now)
        elif (agent := self._agents.get(name)) is None:
            return
        elif kind == "unattended":
            self._leave_unattended(agent, now)
        elif self._settings.after_grace == "logout":
            logger.info("= agent %s: nobody came back within %g s", masked(name), self._settings.grace)
            self._log_out(agent, now)

    # Connections

    def _closed(self, given: ConnectionClosed, now: Now) -> None:
        desk = self._desks.closed(given)
        if desk is None:
            return
        self._logins.left(desk)
        agent = desk.agent
        if agent is None:
            return
        silent = self._pages is not None and self._pages.gone(desk.name, agent.session.extension)
        if silent and agent.desks and not agent.leaving:
            self._miss_audio(agent, now)
        if agent.desks or agent.leaving:
            return
        if not agent.session.verified:  # its password may be wrong, and would keep the right one out
            self._log_out(agent, now)
            return
        self._miss_desks(agent, now)

    def _miss_desks(self, agent: Attended, now: Now) -> None:
        """It has no desk: for how long is what the settings say."""
        extension = agent.session.extension
        self.timers.set(self, f"unattended {extension}", now.monotonic + self._settings.unattended_after)
        self.timers.set(self, f"grace {extension}", now.monotonic + self._settings.grace)

    def _use_audio(self, given: UseAudio, now: Now) -> None:
        desk = self._desks.find(given.connection)
        if desk is None or desk.agent is None or self._pages is not None:
            return
        media = desk.agent.session.media_of(given.dialog)
        if media is None:
            return
        if given.source is not None:
            self._put(SetSource(media, given.source))
        if given.sink is not None:
            self._put(SetSink(media, given.sink))

    # Audio that is in pages

    def _ask_pages(self, now: Now) -> None:
        """Requests go on in a turn of their own: the outputs of an agent carry no time."""
        assert self._pages is not None, "only then there are requests"
        requests, self._for_pages = self._for_pages, []
        for extension, request in requests:
            agent = self._agents.get(extension)
            dialog = None if agent is None else agent.session.dialog_of(request.media)
            self._pages.perform(extension, request, dialog, now)

    def _about_audio(self, desk: Desk, text: str, now: Now) -> None:
        """What a page says about its audio."""
        if self._pages is None:
            self._put(TellPage(desk.name, f'{{"media":{{"lost":"{HERE}"}}}}'))
            return
        agent = desk.agent
        extension = None if agent is None or agent.leaving else agent.session.extension
        if self._pages.receive(desk.name, extension, text, now) and agent is not None:
            self.timers.cancel(self, f"unattended {extension}")
            if agent.unattended:
                agent.unattended = False
                agent.session.unpark(now)
                agent.session.set_available(not self._desks.draining)

    def _miss_audio(self, agent: Attended, now: Now) -> None:
        """The page with the audio is gone, others are there."""
        extension = agent.session.extension
        if self._pages is not None and self._pages.waits(extension):
            self.timers.set(self, f"unattended {extension}", now.monotonic + self._settings.unattended_after)

    def _renew(self, extension: str, media: frozenset[str], now: Now) -> None:
        agent = self._agents.get(extension)
        if agent is not None:
            agent.session.renew(media, now)

    # Commands

    def _command(self, desk: Desk, text: str, now: Now) -> None:
        if is_media(text):
            self._about_audio(desk, text, now)
            return
        if is_report(text):
            self._reports.receive(desk.name, text, now)
            return
        agent = desk.agent
        try:
            command = codec.decode_command(text, password_optional=bool(desk.bearer))
        except codec.CommandRefused as refused:
            self.commands["unknown"] += 1
            logger.info("< %s %s %r", desk.name, refused.failure.code, refused.action)
            if agent is not None:
                agent.session.refuse(refused, desk.name, now)
            else:
                self._desks.tell(desk, *codec.refusal(refused, "", now, self._desks.utc_offset(now)))
            return
        logger.info("< %s %s", desk.name, command.action)
        self.commands[command.action] += 1
        if agent is not None and not desk.trusted and self._rates.take(agent.session.extension, now):
            self._desks.refuse(desk, command, failure("agent-too-fast"), now)
        elif self._desks.draining and isinstance(command, _DIALS):
            self._desks.refuse(desk, command, failure("stopping"), now)
        elif isinstance(command, Login):
            self._logins.login(desk, command, now)
        elif isinstance(command, Resume):
            self._logins.resume(desk, command, now)
        elif agent is None:
            if isinstance(command, SilentMonitor | Whisper | BargeIn):  # an attempt, by nobody that is known
                target = command.calledNumber if isinstance(command, SilentMonitor) else ""
                self._put(Audit(command.action, "", target, None, "not-logged-in", now.wall))
            self._desks.tell(desk, *codec.not_logged_in(command, now, self._desks.utc_offset(now)))
        elif isinstance(command, RenewToken):
            self._logins.renew_token(desk, agent, command, now)
        elif isinstance(command, Logout):
            self._log_out(agent, now, command, desk.name)
        else:
            agent.session.command(command, desk.name, now)

    def _instruct(self, given: Instruct, now: Now) -> None:
        """A command of a program; all desks of the agent see what comes of it."""
        agent = self._agents.get(given.extension)
        self.commands[given.command.action] += 1
        if agent is not None and not agent.leaving and agent.tenant == given.tenant:
            draining = self._desks.draining and isinstance(given.command, _DIALS)
            if not draining and not self._rates.take(given.extension, now):
                agent.session.command(given.command, PROGRAM, now)
                return
            result = codec.failed(given.command, failure("stopping" if draining else "agent-too-fast"))
        else:
            result = codec.failed(given.command, failure("not-logged-in"))
        if result is not None:
            self._put(Tell((PROGRAM,), result))

    # Agents

    def _attach(self, agent: Attended, now: Now) -> None:
        """One more desk sees and commands the agent from now on."""
        extension = agent.session.extension
        self.timers.cancel(self, f"grace {extension}")
        if self._pages is not None and self._pages.waits(extension):
            return  # until a page says that it holds the audio
        self.timers.cancel(self, f"unattended {extension}")
        if agent.unattended:
            agent.unattended = False
            if self._settings.audio_with_page:
                agent.session.unpark(now)
            agent.session.set_available(not self._desks.draining)

    def _leave_unattended(self, agent: Attended, now: Now) -> None:
        agent.unattended = True
        if self._pages is not None:
            if agent.desks:  # else who comes back would hear of a loss that need not be one: its path may have stayed
                self._pages.lost(agent.session.extension, now)
            agent.session.park(now)
        else:
            agent.session.set_available(False)

    def _log_out(self, agent: Attended, now: Now, command: Logout | None = None, origin: str | None = None) -> None:
        agent.logging_out = True
        extension = agent.session.extension
        self.timers.cancel(self, f"unattended {extension}", f"grace {extension}")
        agent.session.command(command or Logout(), origin, now)

    def _stop(self, given: Stop, now: Now) -> None:
        self._desks.stopping = True
        for agent in list(self._agents.values()):
            agent.successors.clear()
            if not agent.leaving:
                self._log_out(agent, now)
        if not self._agents:
            self._put(Stopped())

    def _begin_to_drain(self, given: Drain, now: Now) -> None:
        self._desks.draining = True
        for agent in self._agents.values():
            agent.session.set_available(False)
        self._go_on_leaving(now)

    def _leave(self, given: Leave, now: Now) -> None:
        self._desks.stopping = self._leaving = True
        for agent in list(self._agents.values()):
            agent.successors.clear()
            if not agent.kept and not agent.leaving:
                self._log_out(agent, now)
            for dialog in agent.session.dialogs:
                if dialog.state in _UNANSWERED:
                    agent.session.command(ReleaseCall(dialogId=dialog.id), None, now)
        self._go_on_leaving(now)

    def _go_on_leaving(self, now: Now) -> None:
        """Look at all agents, now that something has happened: only while the process ends."""
        if self._desks.draining and not self._desks.stopping and not self.calls:
            self._stop(Stop(), now)
        elif self._leaving:
            states = {dialog.state for agent in self._agents.values() for dialog in agent.session.dialogs}
            if states.isdisjoint(_UNANSWERED):
                self._leaving = False
                self._put(Stopped())

    # The journal

    def _restore(self, given: Restore, now: Now) -> None:
        self.history.refill(read_calls(given.calls))
        for kept in given.agents:
            try:
                row, tail = read_agent(kept)
                agent = self._logins.restore(row, tail, now)
            except Exception:  # broad: a record that is of no use, whatever is wrong with it, costs no other agent
                logger.exception("the record of agent %s in the journal is of no use", masked(kept.extension))
                self._agents.pop(kept.extension, None)
                self._put(forgotten(kept))
                continue
            self.history.resume(kept.extension, row.live)
            if row.agent.logged_in:
                self._miss_desks(agent, now)
            else:
                self._log_out(agent, now)
        if given.agents:
            logger.info("= %d agents and %d calls are back from the journal", self.agents, self.calls)

    def _supersede(self, given: Superseded, now: Now) -> None:
        agent = self._agents.get(given.extension)
        if agent is not None:
            logger.error("= agent %s is another process's now", masked(given.extension))
            agent.session.supersede()
            self._ready.add(given.extension)

    def _flow_input(self, given: FlowInput, now: Now) -> None:
        extension = self._routes.of_flow(given)
        if extension is not None:
            self._agents[extension].session.receive(given, now)

    def _engine_event(self, given: EngineEvent, now: Now) -> None:
        extension = self._routes.of_media(given)
        if extension is not None:
            self._agents[extension].session.receive(given, now)

    def _drain(self, agent: Attended) -> None:
        outputs, begin = agent.session.outputs(), len(self._out)
        for output in outputs:
            try:
                self._put_out(agent, output)
            except Exception:  # broad: a bug at one output costs no other one, of this agent or of others
                logger.exception("a bug: %s of an agent failed", type(output).__name__)
                agent.session.failed(self._now)
        if self._keeping is not None and outputs:
            self._out[begin:] = [self._keeping.order(agent, outputs, self._out[begin:], self._now)]

    def _put_out(self, agent: Attended, output: Output) -> None:
        extension = agent.session.extension
        if isinstance(output, Publish):
            if agent.desks:
                self._put(Tell(tuple(agent.desks), output.event))
            over = self.history.see(extension, agent.tenant, output.event, self._now.wall)
            if over is not None and self._keeping is not None:
                self._keeping.over(agent.tenant, over)
            if self._leaving or self._desks.draining:
                self._go_on_leaving(self._now)
        elif isinstance(output, Reply):
            origin = output.origin
            if origin is not None and (origin == PROGRAM or self._desks.find(origin) is not None):
                self._put(Tell((origin,), output.message))
        elif isinstance(output, Finished):
            self._forget(agent, output)
        elif isinstance(output, Audit):
            self._put(output)
        elif not isinstance(output, Persist):
            self._routes.note(extension, output)
            if self._pages is not None and isinstance(output, get_args(EngineRequest)):
                self._for_pages.append((extension, output))
                self.timers.set(self, "pages", 0.0)
            else:
                self._put(output)

    def _forget(self, agent: Attended, finished: Finished) -> None:
        """Free all that led to an agent that is logged out."""
        extension = agent.session.extension
        logger.info("= agent %s is gone: %s", masked(extension), finished.reason)
        del self._agents[extension]
        self.history.forget(extension)
        self.timers.cancel(self, f"unattended {extension}", f"grace {extension}")
        freed = self._routes.free(extension)
        if self._pages is not None:
            self._pages.forget(extension)
        else:
            self._out += [CloseMedia(media) for media in freed.media]
        self._out += [CloseFlow(flow) for flow in freed.flows]
        self._logins.freed(agent, self._now)
        if self._desks.stopping and not self._agents:
            self._put(Stopped())
