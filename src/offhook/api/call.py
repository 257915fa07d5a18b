"""One call of an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from offhook.api.audio import as_sink, as_source
from offhook.cti.events import Audio, CommandResult, Dialog
from offhook.errors import CallEnded
from offhook.media.engine import AudioStats

if TYPE_CHECKING:
    from offhook.api.agent import Agent
    from offhook.api.audio import AudioIn, AudioOut


class Call:
    """One call of an agent. Its commands raise `CommandFailed` where they do not come about."""

    def __init__(self, agent: Agent, dialog: Dialog, direction: Literal["in", "out"]) -> None:
        self.direction = direction
        self.dialog = dialog
        """The contract's record of the call, as last told."""
        self._agent = agent
        self._changed = asyncio.Event()
        self._error: tuple[str, str] | None = None
        self._lost: str | None = None

    def __repr__(self) -> str:
        return f"<Call {self.direction} {self.state}>"

    @property
    def id(self) -> str:
        return self.dialog.id

    @property
    def state(self) -> str:
        """INITIATING, INITIATED, ALERTING, ACTIVE, HELD or DROPPED."""
        return self.dialog.state

    @property
    def number(self) -> str:
        """The other party."""
        return self.dialog.customerNumber

    @property
    def muted(self) -> bool:
        return self.dialog.participants[0].mute

    async def answered(self, timeout: float | None = None) -> Call:
        """Wait until the call is up. Raises `CallEnded` where it ends before, TimeoutError after `timeout` seconds."""
        await self._until("ACTIVE", "HELD", "DROPPED", timeout=timeout)
        if self.state == "DROPPED":
            code, detail = self._error or (self.dialog.callEndReason or "call-ended", "The call is over.")
            raise CallEnded("the call ended", code, detail)
        return self

    async def ended(self, timeout: float | None = None) -> str | None:
        """Wait until the call is over; its end reason as the contract has it. Raises TimeoutError."""
        await self._until("DROPPED", timeout=timeout)
        return self.dialog.callEndReason

    async def answer(self, *, source: AudioIn | None = None, sink: AudioOut | None = None) -> None:
        """Take an inbound call; with what it sends and where what it hears goes."""
        self.use(source=source, sink=sink)
        await self._command("answerCall")

    async def reject(self) -> None:
        """Refuse an inbound call (603)."""
        await self._command("rejectCall")

    async def release(self) -> None:
        """Hang up, give up, or turn away, as the state of the call has it. A call that is over is no error."""
        if self.state != "DROPPED":
            await self._command("releaseCall")

    async def hold(self) -> None:
        await self._command("holdCall")

    async def retrieve(self) -> None:
        await self._command("retrieveCall")

    async def mute(self) -> None:
        await self._command("mute_call")

    async def unmute(self) -> None:
        await self._command("unmute_call")

    async def send_digits(self, digits: str) -> None:
        """Send digits (0-9 A-D * #); done when the last one is taken or sent."""
        await self._command("SendDtmf", message=digits)

    async def transfer(self, number: str) -> bool:
        """Transfer the call blind. True: the target has taken it; False: a server that does not wait for that took it.

        Raises `CommandFailed` where it was refused; the call goes on then.
        """
        return _confirmed(await self._command("SST", numberToTransfer=number))

    async def transfer_to_queue(self, number: str, queue: str, queue_type: str = "NAME") -> bool:
        """The same, to a queue: `number` is what queues are dialled by."""
        parameter = {"numberToTransfer": number, "queue": queue, "queueType": queue_type}
        return _confirmed(await self._command("SST_Queue", **parameter))

    async def consult(self, number: str, *, source: AudioIn | None = None, sink: AudioOut | None = None) -> Call:
        """Hold this call and ask somebody; gives the consult call: `answered` of it tells when they are there."""
        parameter = {"numberToConsult": number, "dialogId": self.id}
        return await self._agent.place("makeConsult", parameter, source, sink)

    async def consult_queue(self, number: str, queue: str, queue_type: str = "NAME") -> Call:
        """The same, of who a queue gives; `answered` when an agent has taken it."""
        parameter = {"numberToTransfer": number, "queue": queue, "queueType": queue_type, "dialogId": self.id}
        return await self._agent.place("makeConsultQueue", parameter, None, None)

    async def complete_transfer(self) -> None:
        """Connect the customer and whom this agent consulted, and leave them; on either of the two calls."""
        await self._command("consultTransfer")

    async def conference(self) -> None:
        """Join the customer, this agent and whom it consulted; on either of the two calls."""
        await self._command("conference_consult")

    async def drop_participant(self, participant: str) -> None:
        """Have a member leave the conference."""
        await self._command("dropParticipant", participant=participant)

    async def whisper(self) -> None:
        """On a call that listens: speak to the agent alone; again: listen only."""
        await self._command("whisper")

    async def barge_in(self) -> None:
        """On a call that listens: join the call."""
        await self._command("bargeIn")

    async def video(self, on: bool) -> None:
        """Send and receive pictures, or no longer. Raises `CommandFailed` `media-unsupported` for an engine without."""
        await self._command("convertCall", streamType="video", streamStatus="on" if on else "off")

    async def set_variables(self, variables: Mapping[str, str]) -> None:
        """Change call variables; the others stay."""
        await self._command("updateCallVariableData", callVariables=dict(variables))

    async def stats(self) -> AudioStats:
        """The call's audio, both ways; None where a value was not measured."""
        result = (await self._command("getStats")).result
        audio = msgspec.convert(msgspec.to_builtins(result)["audio"], Audio)
        return AudioStats(
            codec=audio.codec,
            packets_sent=audio.packetsSent,
            packets_received=audio.packetsReceived,
            packets_lost=audio.packetsLost,
            jitter_ms=audio.jitterMs,
            round_trip_ms=audio.roundTripMs,
            mos=audio.mos,
            level_in_db=audio.levelInDb,
            level_out_db=audio.levelOutDb,
        )

    def use(self, *, source: AudioIn | None = None, sink: AudioOut | None = None) -> None:
        """Change what the call sends, or where what it hears goes; None leaves it. Raises `ConfigError`."""
        if source is not None or sink is not None:
            self._agent.use_audio(
                self.id, None if source is None else as_source(source), None if sink is None else as_sink(sink)
            )

    def update(self, dialog: Dialog) -> None:
        """The agent heard news of this call."""
        self.dialog = dialog
        self._changed.set()
        self._changed = asyncio.Event()

    def fail(self, code: str, detail: str) -> None:
        """The agent heard why the call ended."""
        self._error = (code, detail)

    def lose(self, reason: str) -> None:
        """Nothing more will be heard of this call: who waits for something gets `CallEnded`."""
        self._lost = reason
        self._changed.set()

    async def _until(self, *states: str, timeout: float | None) -> None:
        async with asyncio.timeout(timeout):
            while self.state not in states:
                if self._lost is not None:
                    raise CallEnded("the call is not heard of any more", "call-ended", self._lost)
                await self._changed.wait()

    async def _command(self, action: str, **parameter: Any) -> CommandResult:
        return await self._agent.command(action, dialogId=self.id, **parameter)


def _confirmed(result: CommandResult) -> bool:
    return result.result is msgspec.UNSET or result.result.get("code") != "transfer.unconfirmed"
