"""Which desk is whose: logins, resumptions and renewed tokens, and what they prove. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from msgspec import structs

from offhook.clock import Ids, Now, Timers
from offhook.cti import codec
from offhook.cti.agent import AgentSession
from offhook.cti.commands import Login, RenewToken, Resume
from offhook.cti.errors import INVALID_CREDENTIALS, failure, invalid_action, missing_parameters
from offhook.cti.events import CommandResult, agent_info, iso_time, login_refused
from offhook.cti.stream import Held
from offhook.gateway.admission import Admission, Proof
from offhook.gateway.desks import POLICY_VIOLATION, Attended, Desk, Desks, masked
from offhook.gateway.interface import HubOutput, HubSettings, Tell, TokenRefused
from offhook.gateway.keeping import AgentRow
from offhook.gateway.passes import Passes

logger = logging.getLogger(__name__)


class Logins:
    """Puts agents into `agents`, by extension, and desks to their agents.

    `attach` is told which agent has one more desk, `log_out` which agent is to go. Agents that have
    something to put out are named in `ready`.
    """

    def __init__(
        self,
        settings: HubSettings,
        agents: dict[str, Attended],
        desks: Desks,
        *,
        timers: Timers,
        ids: Ids,
        ready: set[str],
        put: Callable[[HubOutput], None],
        attach: Callable[[Attended, Now], None],
        log_out: Callable[[Attended, Now], None],
    ) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._agents = agents
        self._desks = desks
        self._timers = timers
        self._ids = ids
        self._ready = ready
        self._attach = attach
        self._log_out = log_out
        self._admission = Admission(settings)
        self._passes = Passes(
            timers,
            settings.token_warning,
            warn=lambda connection, message: put(Tell((connection,), message)),
            end=self._end_token,
        )

    def handle_timer(self, timer: str, now: Now) -> None:
        """A login whose turn has come: the agent before it is gone."""
        desk = self._desks.find(timer.removeprefix("login "))
        if desk is not None:
            command, desk.login = desk.login, None
            if command is not None and not desk.closing:
                self.login(desk, command, now)

    # Commands

    def login(self, desk: Desk, command: Login, now: Now) -> None:
        if desk.agent is not None and desk.agent.leaving:
            desk.agent.successors[desk.name] = command
            return
        if self._belongs_elsewhere(desk, command, now):
            return
        proof = self._judge(desk, command, now)
        if proof is None:
            return
        agent = self._agents.get(command.extension)
        if agent is None:
            self._begin(desk, command, proof, now)
        elif agent.leaving:
            agent.successors[desk.name] = command
        elif self._proves(proof, agent):
            self._join(desk, agent, command, proof, now)
        elif agent.session.verified:
            self._refuse_password(desk, command, now)
        elif agent.desks.keys() <= {desk.name}:
            # Nobody has proved a password yet and nobody else is here: what was typed last is tried.
            agent.successors[desk.name] = command
            self._log_out(agent, now)
        else:
            self._desks.refuse(desk, command, failure("login-pending"), now)

    def resume(self, desk: Desk, command: Resume, now: Now) -> None:
        if self._belongs_elsewhere(desk, command, now):
            return
        proof = self._judge(desk, command, now)
        if proof is None:
            return
        agent = self._agents.get(command.extension)
        if agent is None or agent.leaving:
            self._desks.tell(desk, *codec.not_logged_in(command, now, self._desks.utc_offset(now)))
        elif self._proves(proof, agent):
            self._join(desk, agent, command, proof, now)
        else:
            self._refuse_password(desk, command, now)

    def renew_token(self, desk: Desk, agent: Attended, command: RenewToken, now: Now) -> None:
        token = self._passes.of(desk.name)
        if token is None:
            why = invalid_action(command.action, detail="It logged in by password.")
            self._desks.refuse(desk, command, why, now)
            return
        try:
            newer = self._admission.check(command.token, now)
            if (newer.extension, newer.tenant) != (token.extension, token.tenant):
                raise TokenRefused("it is another agent's")
        except TokenRefused as refused:
            why = failure("proof-refused", f"The token is refused: {refused}.")
            # It is not counted: any page can give an open desk's address a token, and would throw the agent off.
            self._desks.refuse(desk, command, why, now)
            return
        self._passes.use(desk.name, newer, now)
        self._note_role(agent)
        if command.id is not None:
            result = {"expiresAt": iso_time(newer.expires)}
            done = CommandResult(id=command.id, action=command.action, status="done", result=result)
            self._desks.tell(desk, done)

    # Those who go

    def left(self, desk: Desk) -> None:
        """The connection of that desk is gone."""
        self._timers.cancel(self, f"login {desk.name}")
        self._passes.drop(desk.name)
        if desk.agent is not None:
            del desk.agent.desks[desk.name]
            self._note_role(desk.agent)

    def freed(self, agent: Attended, now: Now) -> None:
        """That agent is gone: its desks are nobody's, and logins that waited for it are carried out."""
        refused = not agent.session.verified and not agent.logging_out
        for desk in agent.desks.values():
            desk.agent = None
            self._passes.drop(desk.name)
            if refused:
                self._admission.refused(desk.address, agent.session.extension, now)
                self._count_wrong_password(desk)
        for name, command in agent.successors.items():
            if (desk_of := self._desks.find(name)) is not None:
                desk_of.login = command
                self._timers.set(self, f"login {name}", 0.0)

    def _end_token(self, connection: str, now: Now) -> None:
        desk = self._desks.find(connection)
        if desk is not None:
            self._desks.tell_error(desk, failure("token-expired"), now)
            self._desks.close(desk, POLICY_VIOLATION, "token-expired")

    # What a login proves

    def _judge(self, desk: Desk, command: Login | Resume, now: Now) -> Proof | None:
        """What it proves; None: it was refused, and that was told."""
        judged = self._admission.judge(command, address=desk.address, bearer=desk.bearer, now=now)
        if isinstance(judged, Proof):
            return judged
        logger.warning("= %s: %s for agent %s", desk.name, judged.code, masked(command.extension))
        why = judged
        if desk.agent is not None:
            why = failure("proof-refused", judged.detail)  # it stays in; desks take judged.type for a logout
        elif judged.type == "subscriptionFailed":
            self._desks.tell(desk, agent_info(command.extension, "LOGOUT"))
        self._desks.refuse(desk, command, why, now)
        if judged.code == "token-refused":
            self._count_wrong_password(desk)
        return None

    @staticmethod
    def _proves(proof: Proof, agent: Attended) -> bool:
        """Whether one may join that agent with it."""
        if proof.token is None:
            return agent.session.check_password(proof.password)
        known = proof.suffices or agent.session.verified or agent.session.check_password(proof.password)
        return known and proof.token.tenant == agent.tenant

    def _join(self, desk: Desk, agent: Attended, command: Login | Resume, proof: Proof, now: Now) -> None:
        self._admission.proved(desk.address, command.extension)
        self._bind(desk, agent, proof, now)
        agent.session.command(command, desk.name, now)

    def _begin(self, desk: Desk, command: Login, proof: Proof, now: Now) -> None:
        """The first login of an extension."""
        if self._desks.stopping or self._desks.draining:
            self._desks.refuse(desk, command, failure("stopping"), now)
        elif not proof.password:
            self._desks.refuse(desk, command, missing_parameters(["password"]), now)
        elif len(self._agents) >= self._limits.agents:
            self._desks.refuse(desk, command, failure("too-many-agents"), now)
        else:
            session = AgentSession(
                self._settings.agent,
                command.extension,
                proof.password,
                timers=self._timers,
                ids=self._ids,
                ready=self._ready,
                journal=bool(self._settings.owner),
                owner=self._settings.owner,
            )
            tenant = "" if proof.token is None else proof.token.tenant
            agent = self._agents[command.extension] = Attended(session, tenant)
            self._bind(desk, agent, proof, now)
            session.command(command, desk.name, now)

    def restore(self, row: AgentRow, tail: Sequence[Held], now: Now) -> Attended:
        """An agent of another process, from the journal, without a desk. Raises what `AgentSession.restore` does."""
        session = AgentSession.restore(
            structs.replace(row.agent, logged_in=True),
            self._settings.agent,
            self._settings.static_password,
            timers=self._timers,
            ids=self._ids,
            now=now,
            ready=self._ready,
            journal=True,
            owner=self._settings.owner,
            tail=tail,
        )
        agent = self._agents[session.extension] = Attended(session, row.tenant)
        agent.kept = True
        agent.supervisor = row.agent.supervisor
        agent.unattended = not row.agent.available
        return agent

    def _bind(self, desk: Desk, agent: Attended, proof: Proof, now: Now) -> None:
        """From now on the desk sees and commands the agent."""
        desk.agent = agent
        agent.desks[desk.name] = desk
        self._attach(agent, now)
        self._passes.use(desk.name, proof.token, now)
        self._note_role(agent)

    def _note_role(self, agent: Attended) -> None:
        """The desks of one agent are one person: while one of them proves a supervisor, it is one."""
        supervisor = self._passes.supervise(agent.desks)
        if supervisor != agent.supervisor:
            agent.supervisor = supervisor
            agent.session.set_supervisor(supervisor)

    # Refusals

    def _belongs_elsewhere(self, desk: Desk, command: Login | Resume, now: Now) -> bool:
        if desk.agent is None or desk.agent.session.extension == command.extension:
            return False
        self._desks.refuse(desk, command, invalid_action(command.action, "other-agent"), now)
        return True

    def _refuse_password(self, desk: Desk, command: Login | Resume, now: Now) -> None:
        logger.warning("= %s: a wrong password for agent %s", desk.name, masked(command.extension))
        told = login_refused(command.extension, now.wall, self._desks.utc_offset(now))
        # A desk that is in, and guesses, stays in: without the LOGOUT that comes before the Error.
        self._desks.tell(desk, *(told if desk.agent is None else told[1:]))
        self._desks.tell(desk, codec.failed(command, failure("credentials-refused", INVALID_CREDENTIALS)))
        self._admission.refused(desk.address, command.extension, now)
        self._count_wrong_password(desk)

    def _count_wrong_password(self, desk: Desk) -> None:
        desk.wrong_passwords += 1
        if desk.wrong_passwords >= self._limits.wrong_passwords and not desk.trusted:
            self._desks.close(desk, POLICY_VIOLATION, "too many wrong passwords")
