"""The agents that live on this gateway and the connections that watch and command them. Pure.

`Hub` is the node that the driver runs. Connections, flows and media sessions are found by maps that are filled as
outputs pass through and emptied when what they name ends, so that nothing here looks at all agents for one event.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

from offhook.clock import Ids, Now, Timers
from offhook.cti import codec
from offhook.cti.agent import AgentSession, Finished, Publish, Reply
from offhook.cti.commands import BargeIn, Command, Login, Logout, RenewToken, Resume, SilentMonitor, Whisper
from offhook.cti.errors import INVALID_CREDENTIALS, Failure, failure, invalid_action, missing_parameters
from offhook.cti.events import CommandResult, ToDesk, agent_info, error, iso_time, login_refused
from offhook.cti.stream import Audit
from offhook.errors import StateError
from offhook.gateway.admission import Admission, Proof
from offhook.gateway.history import History
from offhook.gateway.interface import (
    PROGRAM,
    CloseConnection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    HubInput,
    HubOutput,
    HubSettings,
    Instruct,
    Limits,
    Stop,
    Stopped,
    Tell,
    TellPage,
    TokenRefused,
    UseAudio,
)
from offhook.gateway.page import HERE, PageAudio, is_media
from offhook.gateway.passes import Passes
from offhook.gateway.rates import Rates
from offhook.gateway.resources import AgentView, call_view
from offhook.gateway.turns import Turn, Turns
from offhook.media.engine import CloseMedia, CreateAnswer, CreateOffer, EngineEvent, EngineRequest, SetSink, SetSource
from offhook.sip.flow import CloseFlow, FlowClosed, FlowFailed, FlowInput, FlowOutput, OpenFlow

logger = logging.getLogger(__name__)

POLICY_VIOLATION, TOO_BIG, TRY_AGAIN_LATER = 1008, 1009, 1013
"""Close codes of RFC 6455 §7.4.1 and its registry."""


def masked(number: str) -> str:
    """A number as logs may show it: its last two characters."""
    return f"..{number[-2:]}" if len(number) > 2 else ".."


class _Connection:
    """What is known of one connection."""

    def __init__(self, given: ConnectionOpened, limits: Limits, now: Now) -> None:
        self.name = given.connection
        self.trusted = given.trusted
        self.address = given.address
        self.bearer = given.token
        self.agent: _Agent | None = None
        self.closing = False
        self.wrong_passwords = 0
        self.login: Login | None = None
        """A login that is carried out as soon as the agent before it is gone."""
        self.turns = Turns(limits, now, trusted=given.trusted)


class _Agent:
    """An agent session with all that leads to it."""

    def __init__(self, session: AgentSession, tenant: str) -> None:
        self.session = session
        self.tenant = tenant
        self.supervisor = False
        """The token of a connection says so."""
        self.connections: dict[str, _Connection] = {}
        self.flows: dict[str, bool] = {}
        """Its flows; True: it has asked to close it."""
        self.media: set[str] = set()
        self.unattended = False
        self.logging_out = False
        self.successors: dict[str, Login] = {}
        """Logins that wait until it is gone, by connection."""

    @property
    def leaving(self) -> bool:
        """It is logging out, or was refused: a login needs a new session, when this one is gone."""
        return self.logging_out or self.session.over


class Hub:
    """All agents and connections of a gateway."""

    def __init__(self, settings: HubSettings, *, ids: Ids, timers: Timers | None = None) -> None:
        self.timers = timers if timers is not None else Timers()
        self._settings = settings
        self._limits = settings.limits
        self._ids = ids
        self._agents: dict[str, _Agent] = {}
        self._connections: dict[str, _Connection] = {}
        self._flows: dict[str, _Agent] = {}
        self._media: dict[str, _Agent] = {}
        self._now = Now(0.0, 0.0)
        """Of the last input."""
        self._addresses: Counter[str] = Counter()
        """Connections of each."""
        self._admission = Admission(settings)
        self._passes = Passes(self.timers, settings.token_warning, warn=self._warn, end=self._end_token)
        self._rates = Rates(self._limits.agent_burst, self._limits.agent_per_second, keys=self._limits.agents)
        self.history = History()
        self.commands: Counter[str] = Counter()
        """By action; `unknown` are those that were none."""
        self._ready: set[str] = set()
        self._out: list[HubOutput] = []
        self._stopping = False
        self._for_pages: list[tuple[str, EngineRequest]] = []
        self._pages: PageAudio | None = None
        if settings.audio_with_page:
            self._pages = PageAudio(
                timers=self.timers,
                ids=ids,
                ice=settings.ice,
                tell=lambda told: self._out.append(told),
                deliver=self._engine_event,
                renew=self._renew,
            )
        self._receivers: dict[type, Callable[..., None]] = {
            ConnectionOpened: self._opened,
            ConnectionReceived: self._received,
            ConnectionClosed: self._closed,
            Instruct: self._instruct,
            UseAudio: self._use_audio,
            Stop: self._stop,
            **dict.fromkeys(get_args(FlowInput), self._flow_input),
            **dict.fromkeys(get_args(EngineEvent), self._engine_event),
        }

    # What it tells of itself

    @property
    def agents(self) -> int:
        return len(self._agents)

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def calls(self) -> int:
        """Live calls of all agents; counted when asked."""
        return sum(len(agent.session.dialogs) for agent in self._agents.values())

    @property
    def routes(self) -> int:
        """Flows and media sessions that lead to an agent: for tests, that nothing stays behind."""
        return len(self._flows) + len(self._media) + (0 if self._pages is None else self._pages.sessions)

    def agent_views(self, tenant: str) -> list[AgentView]:
        """The agents of a tenant, by extension."""
        return [
            AgentView(
                extension=extension,
                registration=agent.session.registration,
                desks=len(agent.connections),
                calls=[call_view(extension, dialog) for dialog in agent.session.dialogs],
            )
            for extension, agent in sorted(self._agents.items())
            if agent.tenant == tenant and not agent.leaving
        ]

    def extension_of(self, flow: str) -> str | None:
        """Whose flow that is."""
        agent = self._flows.get(flow)
        return None if agent is None else agent.session.extension

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
        if kind == "turn":
            self._work_off(self._connections[name], now)
        elif kind == "pages":
            self._ask_pages(now)
        elif kind == "login":
            connection = self._connections[name]
            command, connection.login = connection.login, None
            if command is not None and not connection.closing:
                self._login(connection, command, now)
        elif (agent := self._agents.get(name)) is None:
            return
        elif kind == "unattended":
            self._leave_unattended(agent, now)
        elif self._settings.after_grace == "logout":
            logger.info("= agent %s: nobody came back within %g s", masked(name), self._settings.grace)
            self._log_out(agent, now)

    # Connections

    def _opened(self, given: ConnectionOpened, now: Now) -> None:
        connection = _Connection(given, self._limits, now)
        self._connections[given.connection] = connection
        self._addresses[given.address] += 1
        crowded = given.address and self._addresses[given.address] > self._limits.connections_per_address
        if self._stopping:
            self._refuse_connection(connection, "stopping", now)
        elif crowded or len(self._connections) > self._limits.connections:
            self._refuse_connection(connection, "too-many-connections", now)

    def _refuse_connection(self, connection: _Connection, code: str, now: Now) -> None:
        self._tell_error(connection, failure(code), now)
        self._close(connection, TRY_AGAIN_LATER, code)

    def _received(self, given: ConnectionReceived, now: Now) -> None:
        connection = self._connections.get(given.connection)
        if connection is None or connection.closing:
            return
        # Characters are counted first: octets are at most four times as many, and seldom need counting.
        size = len(given.text)
        if size * 4 > self._limits.message_bytes:
            size = len(given.text.encode(errors="surrogatepass"))
        if size > self._limits.message_bytes:
            self._tell_error(connection, failure("too-large"), now)
            self._close(connection, TOO_BIG, "too-large")
            return
        turn = connection.turns.ask(given.text, size, now)
        if turn is Turn.NOW:
            self._command(connection, given.text, now)
        elif turn is Turn.NEVER:
            self._tell_error(connection, failure("too-fast"), now)
            self._close(connection, POLICY_VIOLATION, "too-fast")
        else:
            self._wait_for_turn(connection)

    def _work_off(self, connection: _Connection, now: Now) -> None:
        while (text := connection.turns.next(now)) is not None:
            self._command(connection, text, now)
        self._wait_for_turn(connection)

    def _wait_for_turn(self, connection: _Connection) -> None:
        if (due := connection.turns.due()) is not None:
            self.timers.set(self, f"turn {connection.name}", due)

    def _closed(self, given: ConnectionClosed, now: Now) -> None:
        connection = self._connections.pop(given.connection, None)
        if connection is None:
            return
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]
        self.timers.cancel(self, f"turn {connection.name}", f"login {connection.name}")
        self._passes.drop(connection.name)
        agent = connection.agent
        if agent is None:
            return
        del agent.connections[connection.name]
        self._note_role(agent)
        silent = self._pages is not None and self._pages.gone(connection.name, agent.session.extension)
        if silent and agent.connections and not agent.leaving:
            self._miss_audio(agent, now)
        if agent.connections or agent.leaving:
            return
        if not agent.session.verified:  # its password may be wrong, and would keep the right one out
            self._log_out(agent, now)
            return
        extension = agent.session.extension
        self.timers.set(self, f"unattended {extension}", now.monotonic + self._settings.unattended_after)
        self.timers.set(self, f"grace {extension}", now.monotonic + self._settings.grace)

    def _use_audio(self, given: UseAudio, now: Now) -> None:
        connection = self._connections.get(given.connection)
        if connection is None or connection.agent is None or self._pages is not None:
            return
        media = connection.agent.session.media_of(given.dialog)
        if media is None:
            return
        if given.source is not None:
            self._out.append(SetSource(media, given.source))
        if given.sink is not None:
            self._out.append(SetSink(media, given.sink))

    def _tell(self, connection: _Connection, *messages: ToDesk | None) -> None:
        self._out += [Tell((connection.name,), message) for message in messages if message is not None]

    def _tell_error(self, connection: _Connection, why: Failure, now: Now, extension: str = "") -> None:
        if not extension and connection.agent is not None:
            extension = connection.agent.session.extension
        self._tell(connection, error(extension, why, None, now.wall, self._utc_offset(now)))

    def _close(self, connection: _Connection, code: int, reason: str) -> None:
        logger.warning("= %s is closed: %s", connection.name, reason)
        connection.closing = True
        connection.turns.drop()
        self._out.append(CloseConnection(connection.name, code, reason))

    def _utc_offset(self, now: Now) -> float:
        return self._settings.agent.utc_offset(now.wall)

    # Audio that is in pages

    def _ask_pages(self, now: Now) -> None:
        """Requests go on in a turn of their own: the outputs of an agent carry no time."""
        assert self._pages is not None, "only then there are requests"
        requests, self._for_pages = self._for_pages, []
        for extension, request in requests:
            agent = self._agents.get(extension)
            dialog = None if agent is None else agent.session.dialog_of(request.media)
            self._pages.perform(extension, request, dialog, now)

    def _about_audio(self, connection: _Connection, text: str, now: Now) -> None:
        """What a page says about its audio."""
        if self._pages is None:
            self._out.append(TellPage(connection.name, f'{{"media":{{"lost":"{HERE}"}}}}'))
            return
        agent = connection.agent
        extension = None if agent is None or agent.leaving else agent.session.extension
        if self._pages.receive(connection.name, extension, text, now) and agent is not None:
            self.timers.cancel(self, f"unattended {extension}")
            if agent.unattended:
                agent.unattended = False
                agent.session.unpark(now)

    def _miss_audio(self, agent: _Agent, now: Now) -> None:
        """The page with the audio is gone, others are there."""
        extension = agent.session.extension
        if self._pages is not None and self._pages.waits(extension):
            self.timers.set(self, f"unattended {extension}", now.monotonic + self._settings.unattended_after)

    def _renew(self, extension: str, media: frozenset[str], now: Now) -> None:
        agent = self._agents.get(extension)
        if agent is not None:
            agent.session.renew(media, now)

    # Commands

    def _command(self, connection: _Connection, text: str, now: Now) -> None:
        if is_media(text):
            self._about_audio(connection, text, now)
            return
        agent = connection.agent
        try:
            command = codec.decode_command(text, password_optional=bool(connection.bearer))
        except codec.CommandRefused as refused:
            self.commands["unknown"] += 1
            logger.info("< %s %s %r", connection.name, refused.failure.code, refused.action)
            if agent is not None:
                agent.session.refuse(refused, connection.name, now)
            else:
                self._tell(connection, *codec.refusal(refused, "", now, self._utc_offset(now)))
            return
        logger.info("< %s %s", connection.name, command.action)
        self.commands[command.action] += 1
        if agent is not None and not connection.trusted and self._rates.take(agent.session.extension, now):
            self._refuse(connection, command, failure("agent-too-fast"), now)
        elif isinstance(command, Login):
            self._login(connection, command, now)
        elif isinstance(command, Resume):
            self._resume(connection, command, now)
        elif agent is None:
            if isinstance(command, SilentMonitor | Whisper | BargeIn):  # an attempt, by nobody that is known
                target = command.calledNumber if isinstance(command, SilentMonitor) else ""
                self._out.append(Audit(command.action, "", target, None, "not-logged-in", now.wall))
            self._tell(connection, *codec.not_logged_in(command, now, self._utc_offset(now)))
        elif isinstance(command, RenewToken):
            self._renew_token(connection, agent, command, now)
        elif isinstance(command, Logout):
            self._log_out(agent, now, command, connection.name)
        else:
            agent.session.command(command, connection.name, now)

    def _login(self, connection: _Connection, command: Login, now: Now) -> None:
        if connection.agent is not None and connection.agent.leaving:
            connection.agent.successors[connection.name] = command
            return
        if self._belongs_elsewhere(connection, command, now):
            return
        proof = self._judge(connection, command, now)
        if proof is None:
            return
        agent = self._agents.get(command.extension)
        if agent is None:
            self._begin(connection, command, proof, now)
        elif agent.leaving:
            agent.successors[connection.name] = command
        elif self._proves(proof, agent):
            self._join(connection, agent, command, proof, now)
        elif agent.session.verified:
            self._refuse_password(connection, command, now)
        elif agent.connections.keys() <= {connection.name}:
            # Nobody has proved a password yet and nobody else is here: what was typed last is tried.
            agent.successors[connection.name] = command
            self._log_out(agent, now)
        else:
            self._refuse(connection, command, failure("login-pending"), now)

    def _judge(self, connection: _Connection, command: Login | Resume, now: Now) -> Proof | None:
        """What it proves; None: it was refused, and that was told."""
        judged = self._admission.judge(command, address=connection.address, bearer=connection.bearer, now=now)
        if isinstance(judged, Proof):
            return judged
        logger.warning("= %s: %s for agent %s", connection.name, judged.code, masked(command.extension))
        why = judged
        if connection.agent is not None:
            why = failure("proof-refused", judged.detail)  # it stays in; desks take judged.type for a logout
        elif judged.type == "subscriptionFailed":
            self._tell(connection, agent_info(command.extension, "LOGOUT"))
        self._refuse(connection, command, why, now)
        if judged.code == "token-refused":
            self._count_wrong_password(connection)
        return None

    @staticmethod
    def _proves(proof: Proof, agent: _Agent) -> bool:
        """Whether one may join that agent with it."""
        if proof.token is None:
            return agent.session.check_password(proof.password)
        known = proof.suffices or agent.session.verified or agent.session.check_password(proof.password)
        return known and proof.token.tenant == agent.tenant

    def _join(self, connection: _Connection, agent: _Agent, command: Login | Resume, proof: Proof, now: Now) -> None:
        self._admission.proved(connection.address, command.extension)
        self._attach(agent, connection, now)
        self._passes.use(connection.name, proof.token, now)
        self._note_role(agent)
        agent.session.command(command, connection.name, now)

    def _begin(self, connection: _Connection, command: Login, proof: Proof, now: Now) -> None:
        """The first login of an extension."""
        if self._stopping:
            self._refuse(connection, command, failure("stopping"), now)
        elif not proof.password:
            self._refuse(connection, command, missing_parameters(["password"]), now)
        elif len(self._agents) >= self._limits.agents:
            self._refuse(connection, command, failure("too-many-agents"), now)
        else:
            session = AgentSession(
                self._settings.agent,
                command.extension,
                proof.password,
                timers=self.timers,
                ids=self._ids,
                ready=self._ready,
            )
            tenant = "" if proof.token is None else proof.token.tenant
            agent = self._agents[command.extension] = _Agent(session, tenant)
            self._attach(agent, connection, now)
            self._passes.use(connection.name, proof.token, now)
            self._note_role(agent)
            session.command(command, connection.name, now)

    def _resume(self, connection: _Connection, command: Resume, now: Now) -> None:
        if self._belongs_elsewhere(connection, command, now):
            return
        proof = self._judge(connection, command, now)
        if proof is None:
            return
        agent = self._agents.get(command.extension)
        if agent is None or agent.leaving:
            self._tell(connection, *codec.not_logged_in(command, now, self._utc_offset(now)))
        elif self._proves(proof, agent):
            self._join(connection, agent, command, proof, now)
        else:
            self._refuse_password(connection, command, now)

    # Tokens, and programs that have one

    def _renew_token(self, connection: _Connection, agent: _Agent, command: RenewToken, now: Now) -> None:
        token = self._passes.of(connection.name)
        if token is None:
            self._refuse(connection, command, invalid_action(command.action, detail="It logged in by password."), now)
            return
        try:
            newer = self._admission.check(command.token, now)
            if (newer.extension, newer.tenant) != (token.extension, token.tenant):
                raise TokenRefused("it is another agent's")
        except TokenRefused as refused:
            self._refuse(connection, command, failure("proof-refused", f"The token is refused: {refused}."), now)
            self._count_wrong_password(connection)
            return
        self._passes.use(connection.name, newer, now)
        self._note_role(agent)
        if command.id is not None:
            result = {"expiresAt": iso_time(newer.expires)}
            self._tell(connection, CommandResult(id=command.id, action=command.action, status="done", result=result))

    def _note_role(self, agent: _Agent) -> None:
        """The connections of one agent are one person: while one of them proves a supervisor, it is one."""
        supervisor = self._passes.supervise(agent.connections)
        if supervisor != agent.supervisor:
            agent.supervisor = supervisor
            agent.session.set_supervisor(supervisor)

    def _warn(self, connection: str, message: ToDesk) -> None:
        self._out.append(Tell((connection,), message))

    def _end_token(self, connection: str, now: Now) -> None:
        ended = self._connections[connection]
        self._tell_error(ended, failure("token-expired"), now)
        self._close(ended, POLICY_VIOLATION, "token-expired")

    def _instruct(self, given: Instruct, now: Now) -> None:
        """A command of a program; all desks of the agent see what comes of it."""
        agent = self._agents.get(given.extension)
        self.commands[given.command.action] += 1
        if agent is not None and not agent.leaving and agent.tenant == given.tenant:
            if not self._rates.take(given.extension, now):
                agent.session.command(given.command, PROGRAM, now)
                return
            result = codec.failed(given.command, failure("agent-too-fast"))
        else:
            result = codec.failed(given.command, failure("not-logged-in"))
        if result is not None:
            self._out.append(Tell((PROGRAM,), result))

    # Log-ins that are refused

    def _belongs_elsewhere(self, connection: _Connection, command: Login | Resume, now: Now) -> bool:
        if connection.agent is None or connection.agent.session.extension == command.extension:
            return False
        self._refuse(connection, command, invalid_action(command.action, "other-agent"), now)
        return True

    def _refuse(self, connection: _Connection, command: Command, why: Failure, now: Now) -> None:
        self._tell_error(connection, why, now, getattr(command, "extension", ""))
        self._tell(connection, codec.failed(command, why))

    def _refuse_password(self, connection: _Connection, command: Login | Resume, now: Now) -> None:
        logger.warning("= %s: a wrong password for agent %s", connection.name, masked(command.extension))
        told = login_refused(command.extension, now.wall, self._utc_offset(now))
        # A desk that is in, and guesses, stays in: without the LOGOUT that comes before the Error.
        self._tell(connection, *(told if connection.agent is None else told[1:]))
        self._tell(connection, codec.failed(command, failure("credentials-refused", INVALID_CREDENTIALS)))
        self._admission.refused(connection.address, command.extension, now)
        self._count_wrong_password(connection)

    def _count_wrong_password(self, connection: _Connection) -> None:
        connection.wrong_passwords += 1
        if connection.wrong_passwords >= self._limits.wrong_passwords and not connection.trusted:
            self._close(connection, POLICY_VIOLATION, "too many wrong passwords")

    # Agents

    def _attach(self, agent: _Agent, connection: _Connection, now: Now) -> None:
        """From now on the connection sees and commands the agent."""
        connection.agent = agent
        agent.connections[connection.name] = connection
        extension = agent.session.extension
        self.timers.cancel(self, f"grace {extension}")
        if self._pages is not None and self._pages.waits(extension):
            return  # until a page says that it holds the audio
        self.timers.cancel(self, f"unattended {extension}")
        if agent.unattended:
            agent.unattended = False
            if self._settings.audio_with_page:
                agent.session.unpark(now)
            else:
                agent.session.set_available(True)

    def _leave_unattended(self, agent: _Agent, now: Now) -> None:
        agent.unattended = True
        if self._pages is not None:
            self._pages.lost(agent.session.extension, now)
            agent.session.park(now)
        else:
            agent.session.set_available(False)

    def _log_out(self, agent: _Agent, now: Now, command: Logout | None = None, origin: str | None = None) -> None:
        agent.logging_out = True
        extension = agent.session.extension
        self.timers.cancel(self, f"unattended {extension}", f"grace {extension}")
        agent.session.command(command or Logout(), origin, now)

    def _stop(self, given: Stop, now: Now) -> None:
        self._stopping = True
        for agent in list(self._agents.values()):
            agent.successors.clear()
            if not agent.leaving:
                self._log_out(agent, now)
        if not self._agents:
            self._out.append(Stopped())

    def _flow_input(self, given: FlowInput, now: Now) -> None:
        agent = self._flows.get(given.flow)
        if agent is None:
            return  # the last words of a flow whose agent is gone
        if isinstance(given, FlowClosed | FlowFailed):
            del self._flows[given.flow]
            del agent.flows[given.flow]
        agent.session.receive(given, now)

    def _engine_event(self, given: EngineEvent, now: Now) -> None:
        agent = self._media.get(given.media)
        if agent is not None:
            agent.session.receive(given, now)

    def _drain(self, agent: _Agent) -> None:
        for output in agent.session.outputs():
            if isinstance(output, Publish):
                self.history.see(agent.session.extension, agent.tenant, output.event, self._now.wall)
                if agent.connections:
                    self._out.append(Tell(tuple(agent.connections), output.event))
            elif isinstance(output, Reply):
                if output.origin in self._connections or output.origin == PROGRAM:
                    self._out.append(Tell((output.origin,), output.message))
            elif isinstance(output, Finished):
                self._forget(agent, output)
            elif isinstance(output, Audit):
                self._out.append(output)
            else:
                self._note_route(agent, output)
                if self._pages is not None and isinstance(output, get_args(EngineRequest)):
                    self._for_pages.append((agent.session.extension, output))
                    self.timers.set(self, "pages", 0.0)
                else:
                    self._out.append(output)

    def _note_route(self, agent: _Agent, output: FlowOutput | EngineRequest) -> None:
        """Keep the maps by which inputs find their agent."""
        if isinstance(output, OpenFlow):
            if output.flow in self._flows:
                raise StateError(f"flow {output.flow} exists already")
            self._flows[output.flow] = agent
            agent.flows[output.flow] = False
        elif isinstance(output, CloseFlow):
            if output.flow in agent.flows:
                agent.flows[output.flow] = True
        elif isinstance(output, CreateOffer | CreateAnswer):
            self._media[output.media] = agent
            agent.media.add(output.media)
        elif isinstance(output, CloseMedia):
            self._media.pop(output.media, None)
            agent.media.discard(output.media)

    def _forget(self, agent: _Agent, finished: Finished) -> None:
        """Free all that led to an agent that is logged out."""
        extension = agent.session.extension
        logger.info("= agent %s is gone: %s", masked(extension), finished.reason)
        del self._agents[extension]
        self.history.forget(extension)
        self.timers.cancel(self, f"unattended {extension}", f"grace {extension}")
        for media in sorted(agent.media):
            del self._media[media]
            if self._pages is None:
                self._out.append(CloseMedia(media))
        if self._pages is not None:
            self._pages.forget(extension)
        for flow, closing in agent.flows.items():
            del self._flows[flow]
            if not closing:
                self._out.append(CloseFlow(flow))
        refused = not agent.session.verified and not agent.logging_out
        for connection in agent.connections.values():
            connection.agent = None
            self._passes.drop(connection.name)
            if refused:
                self._admission.refused(connection.address, extension, self._now)
                self._count_wrong_password(connection)
        for name, command in agent.successors.items():
            if name in self._connections:
                self._connections[name].login = command
                self.timers.set(self, f"login {name}", 0.0)
        if self._stopping and not self._agents:
            self._out.append(Stopped())
