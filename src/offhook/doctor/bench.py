"""What a run of checks has at hand: the configuration, the numbers to use, and the handsets that are registered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from offhook.config import Config
from offhook.doctor import remedies
from offhook.doctor.findings import CheckEnded, Outcome, cannot, failed
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Leg, Line
from offhook.errors import ConfigError
from offhook.gateway.app import new_engine
from offhook.gateway.files import TraceFile
from offhook.media.engine import Direction
from offhook.sip.events import Renegotiated

TONES = tuple(370.0 + 440.0 * index for index in range(8))
"""What each extension sends, Hz: neither in hold music nor in ringing tones. So many extensions can be told apart."""

SETTLE_SECONDS = 0.5
"""FreeSWITCH loses a call that is held or transferred within 0.1 s of its answer (measured); people take longer."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An extension that the doctor may register and call."""

    extension: str
    password: str = field(repr=False)
    supervisor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is dialled. An empty one is not."""

    echo: str = "9196"
    """Sends back what it hears."""
    queue: str = ""
    """`<number>-<queue>`. Who waits in it is rung, so none is dialled unless it was named."""
    nowhere: str = "offhook-doctor-nobody"
    """What nobody has, and no trunk takes for a number: a transfer to it has to come back."""
    eavesdropping: tuple[str, ...] = ("88{}",)
    """What listens to the calls of `{}`, one of ours, in FreeSWITCH's sample configuration. (Not 779: it listens to
    whoever talks.)"""


class Bench:
    """See the module; `close` frees everything. Raises `ConfigError`."""

    def __init__(self, config: Config, agents: tuple[Agent, ...], numbers: Numbers | None = None) -> None:
        if len(agents) > len(TONES):
            raise ConfigError("agents", f"{len(agents)} are too many", f"Give two or three, at most {len(TONES)}")
        self.config = config
        self.numbers = numbers or Numbers()
        self.agents = tuple(agent for agent in agents if not agent.supervisor)
        self.supervisors = tuple(agent for agent in agents if agent.supervisor)
        self.handsets: dict[str, Handset] = {}
        """Those that are registered, by extension."""
        self.trace = TraceFile(config.sip_trace) if config.sip_trace else None
        self._open: set[Handset] = set()

    @property
    def audio(self) -> bool:
        """Whether audio can be sent and heard."""
        return self.config.media == "local"

    @property
    def everybody(self) -> tuple[Agent, ...]:
        return (*self.agents, *self.supervisors)

    # Handsets

    def new_handset(
        self, user: str, password: str = "", *, domain: str = "", stranger: bool = False, server: str = ""
    ) -> Handset:
        """One that is not connected yet; it is closed with the bench."""
        config = self.config
        known = [agent.extension for agent in self.everybody]
        line = Line(
            servers=(server,) if server else config.sip,
            domain=domain or config.sip_domain,
            user=user,
            password=password,
            hz=TONES[known.index(user) if user in known else 0],
            insecure_tls=config.insecure_tls,
            ca_file=config.ca_file or None,
            realm=config.realm or None,
            stranger=stranger,
        )
        made = Handset(line, new_engine(config), None if self.trace is None else self.trace.write)
        self._open.add(made)
        return made

    async def close_handset(self, handset: Handset) -> None:
        self._open.discard(handset)
        await handset.close()

    async def clear(self) -> None:
        """End all calls of all handsets."""
        await self._all(Handset.clear)

    async def close(self) -> None:
        """End all calls, log everybody out, free everything; within 5 s or so."""
        await self._all(Handset.close)
        self._open.clear()
        self.handsets.clear()
        if self.trace is not None:
            self.trace.close()

    async def until(self, holds: Callable[[], bool], timeout: float) -> bool:
        """Wait until something holds, which is looked at whenever any handset has news; whether it does."""
        waits = [asyncio.ensure_future(one.until(holds, timeout)) for one in self.handsets.values()]
        if waits:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return holds()

    async def _all(self, work: Callable[[Handset], Coroutine[Any, Any, None]]) -> None:
        if self._open:
            await asyncio.gather(*(work(handset) for handset in self._open))

    # Who is there; each raises CheckEnded where nobody is

    def first(self) -> Handset:
        return self._agent(0, "an agent")

    def second(self) -> Handset:
        return self._agent(1, "a second agent")

    def third(self) -> Handset:
        """A third party of a call: another agent, or the supervisor."""
        spare = [agent for agent in (*self.agents[2:], *self.supervisors) if agent.extension in self.handsets]
        if not spare:
            raise CheckEnded(cannot("it takes three extensions", "Give a third agent, or a supervisor"))
        return self.handsets[spare[0].extension]

    def supervisor(self) -> Handset:
        found = [self.handsets[one.extension] for one in self.supervisors if one.extension in self.handsets]
        if not found:
            raise CheckEnded(cannot("no supervisor was given", "Give one by --supervisor, or role in the file"))
        return found[0]

    def _agent(self, index: int, what: str) -> Handset:
        if index >= len(self.agents):
            raise CheckEnded(cannot(f"it takes {what}", "Give it by --agent, or in the file of --agents"))
        handset = self.handsets.get(self.agents[index].extension)
        if handset is None:
            raise CheckEnded(cannot(f"{what} is not registered", "See what `register` says"))
        return handset

    # What many checks begin with

    async def talk(self, caller: Handset, called: Handset, **options: Any) -> tuple[Leg, Leg]:
        """A call between two handsets, up on both sides. Raises CheckEnded where it does not come about."""
        before = [leg for leg in called.legs.values()]
        leg = await caller.dial(called.line.user, **options)
        there = await called.rings(known=before)
        if there is None:
            await caller.decided(leg, 1.0)
            raise CheckEnded(not_rung(called.line.user, leg))
        await called.answer(there)
        await caller.decided(leg, 5.0)
        await self.until(lambda: leg.end is not None or there.end is not None, SETTLE_SECONDS)
        if not leg.up or not there.up or leg.end or there.end:
            raise CheckEnded(failed(f"the call was answered, and ended: {leg.refusal}", remedies.CODEC))
        return leg, there

    async def heard_by(self, handset: Handset, leg: Leg) -> frozenset[str]:
        """Whose tone a handset hears: extensions. Raises CheckEnded without audio."""
        if not self.audio:
            raise CheckEnded(cannot("there is no audio with --media null", "Leave it out"))
        from offhook.doctor.hearing import tones_in  # numpy comes with audio alone

        tones = {one.line.hz: one.line.user for one in self.handsets.values()}
        return frozenset(tones[hz] for hz in tones_in(await handset.listen(leg), tones))

    async def both_hear(self, *pairs: tuple[Handset, Leg]) -> str:
        """Empty where each of them hears all others and not itself; else who does not. Two tries: media needs time."""
        if not self.audio:
            return ""
        wrong = ""
        for _ in range(2):
            heard = await asyncio.gather(*(self.heard_by(*pair) for pair in pairs))
            users = [handset.line.user for handset, _ in pairs]
            missed = [
                f"{user} does not hear {', '.join(sorted(lost))}"
                for user, found in zip(users, heard, strict=True)
                if (lost := set(users) - {user} - found)
            ]
            wrong = "; ".join(missed)
            if not wrong:
                break
        return wrong


def not_rung(number: str, leg: Leg) -> Outcome:
    """A call to a handset that is registered did not come to it."""
    remedy = {
        403: "The dialplan forbids it: give the users user_context=offhook (directory/*.xml), and install "
        "dialplan/offhook.xml",
        480: remedies.DIAL_STRING,
        488: remedies.CODEC,
    }.get(
        leg.status,
        "Give the users user_context=offhook (directory/*.xml), install dialplan/offhook.xml, and have "
        "offhook_agent_numbers of offhook/vars.xml match their numbers; then `fs_cli -x reloadxml`",
    )
    return failed(f"a call to {number}, which is registered, did not ring: {leg.refusal}", remedy)


async def hold(handset: Handset, leg: Leg) -> None:
    """Hold a call. Raises CheckEnded where it is refused."""
    done = await handset.reinvite(leg, Direction.SENDONLY)
    if not isinstance(done, Renegotiated):
        raise CheckEnded(failed("hold (a re-INVITE with sendonly) was refused", "See what `hold` says"))
