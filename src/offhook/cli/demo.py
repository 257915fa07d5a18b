"""`offhook demo`: a switch, a gateway and two agents on this machine, and a story that shows and checks all of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from offhook.api import Agent
from offhook.cli.serve import Signals, log_to_stderr
from offhook.cli.windows import TOKEN_SECONDS, DeskGateway, Unproved, call_each_other, desk_gateway, look_at_page
from offhook.config import Config
from offhook.errors import OffhookError
from offhook.gateway.app import Gateway, running
from offhook.sip.tracing import draw_ladder, read_trace
from offhook.switch.directory import SAMPLE_PASSWORD
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.desk import Desk, dialogs, until

if TYPE_CHECKING:
    from offhook.media.engine import Frame

LONGEST = 55.0
"""Seconds that the story may take."""
ALICE, BOB = "1000", "1001"
ALICE_HZ, BOB_HZ = 440.0, 880.0
DIGITS = "42"
"""What is keyed in at the menu; it leads nowhere there, so that the menu asks again."""
HEARD_DB, SILENT_DB = -40.0, -60.0
"""Levels in dBov: above the one a tone is heard, below the other nothing is."""

COLORS = {ALICE: "\x1b[36m", BOB: "\x1b[33m"}
OFF = "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument(
        "--once",
        "--no-wait",
        action="store_true",
        help="open the desk's two windows itself and end, with status 0 if all was right; so it is without a terminal",
    )
    ends.add_argument("--wait", action="store_true", help="stay for you to open them, also without a terminal")
    parser.add_argument("--no-ladder", action="store_true", help="do not draw the SIP messages")


def run(args: argparse.Namespace) -> int:
    """Tell the story; 0 if all of it was right, else 1. Raises `ConfigError` where something is not installed."""
    log_to_stderr("error")
    once = args.once or not (args.wait or sys.stdin.isatty())
    return asyncio.run(demo(once=once, ladder=not args.no_ladder))


async def demo(*, once: bool, ladder: bool) -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="offhook-demo-") as name:
        folder = Path(name)
        trace = folder / "sip.txt"
        say("starting a development switch and a gateway on free ports")
        async with switch_and_gateway(trace) as (switch, gateway):
            say(f"the switch takes SIP at {switch.ws_url}, the gateway takes desks at {gateway.url}")
            story = Story(switch, gateway)
            problem = await tell(story)
            if ladder and trace.exists():
                say("the SIP messages of it")
                sys.stdout.write(draw_ladder(read_trace(trace.read_text(encoding="utf-8", errors="surrogateescape"))))
            if problem is not None:
                print(f"demo: failed while {story.stage}: {problem}", flush=True)
                return 1
            say("the same in browsers: a gateway whose agents have their audio in the desk's page")
            async with desk_gateway(switch.ws_url, SAMPLE_PASSWORD, folder) as desks:
                problem = await end_in_the_desk(desks, gateway, once=once)
        if problem is not None:
            print(f"demo: failed in the desk: {problem}", flush=True)
            return 1
    if once:
        say(f"all of it was right, in {time.monotonic() - began:.1f} s")
    print("demo: ok", flush=True)
    return 0


async def end_in_the_desk(desks: DeskGateway, gateway: Gateway, *, once: bool) -> str | None:
    """Two windows of the desk: for a person, or, `once`, opened here as a proof; what went wrong, or None."""
    links = {extension: desks.link(extension) for extension in (ALICE, BOB)}
    if not once:
        await stay(links, gateway)
        return None
    say(f"the desk is at {desks.page}")
    try:
        await look_at_page(desks.page)
        await call_each_other(links, say)
    except Unproved as reason:
        say(f"no two windows were opened: {reason}")
    except (AssertionError, aiohttp.ClientError) as error:
        return str(error) or type(error).__name__
    return None


@asynccontextmanager
async def switch_and_gateway(trace: Path) -> AsyncIterator[tuple[Switch, Gateway]]:
    switch = Switch(SwitchConfig(host="127.0.0.1", ws_port=0, media="local"))
    await switch.start()
    try:
        config = Config(
            listen="127.0.0.1:0", sip=(switch.ws_url,), source=f"tone:{ALICE_HZ:g}", sip_trace=str(trace), grace=5.0
        )
        async with running(Gateway(config)) as gateway:
            yield switch, gateway
    finally:
        await switch.stop()


async def tell(story: Story) -> str | None:
    """Tell the story to its end; what went wrong, or None."""
    try:
        async with asyncio.timeout(LONGEST):
            await story.tell()
    except TimeoutError:
        return f"it was not over within {LONGEST:g} s"
    except (AssertionError, OffhookError, aiohttp.ClientError) as error:
        return str(error) or type(error).__name__
    return None


async def stay(links: dict[str, str], gateway: Gateway) -> None:
    """Say where the desk is, and serve until SIGINT or SIGTERM."""
    signals = Signals()
    print(invitation(links, gateway.url), flush=True)
    await signals.next()


def invitation(links: dict[str, str], url: str) -> str:
    """What a person may do now."""
    minutes = f"{TOKEN_SECONDS / 60:g} minutes"
    windows = [f"  agent {extension}:  {link}" for extension, link in links.items()]
    return "\n".join(
        [
            "",
            "Now you: open each address in a browser window of its own on this machine. Each logs its agent in.",
            *windows,
            f"Call {BOB} from the window of {ALICE}, or call 9196, an echo, or 5000, a menu. An address is good for",
            f"{minutes} and for who has it: keep it to yourself. A microphone is asked for at the first log-in.",
            "",
            f"Programs log in with the extensions 1002 to 1019 and the password {SAMPLE_PASSWORD}, for example",
            f"  websocat {url}",
            '  {"action":"login","parameter":{"extension":"1002","password":"1234"}}',
            "Ctrl-C stops.",
        ]
    )


def say(words: str) -> None:
    print(f"== {words}", flush=True)


class TalkingDesk(Desk):
    """A desk that prints every event as it comes, an agent's own colour and indentation on a terminal."""

    def __init__(self, url: str, agent: str) -> None:
        super().__init__(url)
        self.agent = agent

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._show(message.data)
                self.heard.append(json.loads(message.data))
                self._news.set()
        self.closed_with = socket.close_code
        self._news.set()

    def _show(self, text: str) -> None:
        line = f"{self.agent} {text}"
        if sys.stdout.isatty():
            line = f"{COLORS[self.agent]}{'' if self.agent == ALICE else '        '}{line}{OFF}"
        print(line, flush=True)


@dataclass
class Ear:
    """Listens to what a call brings: frequency and level of the last half second."""

    samples: list[Frame] = field(default_factory=list)

    def hear(self, frame: Frame) -> None:
        self.samples.append(frame)
        del self.samples[:-25]

    def tone(self) -> tuple[float, float]:
        """The strongest frequency in Hz, and the level in dBov of all that is heard."""
        import numpy as np  # comes with the audio packages

        if not self.samples:
            return 0.0, -127.0
        heard = np.concatenate(self.samples).astype(np.float64) / 32768.0
        power = float(np.mean(heard**2))
        level = 10.0 * float(np.log10(power)) if power > 1e-12 else -127.0
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        return float(np.argmax(spectrum)) * 16000.0 / len(heard), level

    def hears(self, hz: float) -> bool:
        """Whether that tone is what is heard."""
        frequency, level = self.tone()
        return level > HEARD_DB and abs(frequency - hz) < 12.0

    def hears_nothing(self) -> bool:
        return len(self.samples) == 25 and self.tone()[1] < SILENT_DB


class Story:
    """Two agents and a menu; every step is checked."""

    def __init__(self, switch: Switch, gateway: Gateway) -> None:
        self.stage = "starting"
        self._switch = switch
        self._gateway = gateway
        self._alice = TalkingDesk(gateway.url, ALICE)
        self._bob = TalkingDesk(gateway.url, BOB)
        self._ears = {ALICE: Ear(), BOB: Ear()}

    async def tell(self) -> None:
        async with self._alice, self._bob:
            for desk in (self._alice, self._bob):
                self._now(f"{desk.agent} logs in")
                await desk.login(desk.agent, SAMPLE_PASSWORD)
                await desk.expect("dialogState", dialog=None)
            hers, his = await self._call()
            await self._talk(hers, his)
            await self._mute(hers)
            await self._hold(hers)
            await self._statistics(hers, his)
            await self._release(hers)
            await self._menu()
            for desk in (self._alice, self._bob):
                self._now(f"{desk.agent} logs out")
                await desk.do("logout")
                await desk.expect("agentInfo", state="LOGOUT")
            self._now("checking the order of all events")
            self._check_events()

    def _now(self, stage: str) -> None:
        self.stage = stage
        say(stage)

    async def _call(self) -> tuple[str, str]:
        self._now(f"{ALICE} calls {BOB}")
        await self._alice.send("makeCall", calledNumber=BOB, Destination_Number=BOB, callType="audio")
        hers = dialog_id(await self._alice.expect("outboundDialing", state="INITIATING"))
        his = dialog_id(await self._bob.expect("newInboundCall", state="ALERTING"))
        await self._alice.expect("outboundDialing", state="INITIATED")
        self._now(f"{BOB} answers")
        await self._bob.do("answerCall", dialogId=his)
        await self._bob.expect("dialogState", state="ACTIVE", id=his)
        await self._alice.expect("dialogState", state="ACTIVE", id=hers)
        return hers, his

    async def _talk(self, hers: str, his: str) -> None:
        self._now(f"they talk: {ALICE} says {ALICE_HZ:g} Hz, {BOB} says {BOB_HZ:g} Hz")
        for extension, dialog, source in ((ALICE, hers, f"tone:{ALICE_HZ:g}"), (BOB, his, f"tone:{BOB_HZ:g}")):
            agent = await self._inside(extension)
            agent.calls[dialog].use(source=source, sink=self._ears[extension].hear)
        await self._hears(BOB, ALICE_HZ)
        await self._hears(ALICE, BOB_HZ)

    async def _inside(self, extension: str) -> Agent:
        """The gateway runs in this process: a connection of our own joins the agent, to put an ear to its calls."""
        agent = Agent(self._gateway.station, extension)
        await agent.command("login", extension=extension, password=SAMPLE_PASSWORD)
        return agent

    async def _hears(self, extension: str, hz: float) -> None:
        ear = self._ears[extension]
        await wait_for(
            lambda: ear.hears(hz),
            lambda: f"{extension} hears {hz:g} Hz, but it is %.0f Hz at %.0f dB" % ear.tone(),
        )
        say(f"{extension} hears {hz:g} Hz at {ear.tone()[1]:.0f} dB")

    async def _mute(self, hers: str) -> None:
        self._now(f"{ALICE} mutes the microphone")
        await self._alice.do("mute_call", dialogId=hers)
        muted = await self._alice.expect("dialogState", state="ACTIVE")
        assert muted["response"]["dialog"]["participants"][0]["mute"] is True, "no event tells the mute"
        ear = self._ears[BOB]
        await wait_for(ear.hears_nothing, lambda: f"{BOB} hears nothing, but {ear.tone()[1]:.0f} dB")
        say(f"{BOB} hears nothing")
        await self._alice.do("unmute_call", dialogId=hers)
        await self._alice.expect("dialogState", state="ACTIVE")
        await self._hears(BOB, ALICE_HZ)

    async def _hold(self, hers: str) -> None:
        self._now(f"{ALICE} holds the call")
        await self._alice.do("holdCall", dialogId=hers)
        await self._alice.expect("dialogState", state="HELD", id=hers)
        ear = self._ears[BOB]
        await wait_for(lambda: not ear.hears(ALICE_HZ), lambda: f"{BOB} no longer hears {ALICE_HZ:g} Hz")
        say(f"{BOB} no longer hears {ALICE}")
        self._now(f"{ALICE} retrieves the call")
        await self._alice.do("retrieveCall", dialogId=hers)
        for ear in self._ears.values():
            ear.samples.clear()  # what was heard before the hold proves nothing
        await self._alice.expect("dialogState", state="ACTIVE", id=hers)
        await self._hears(BOB, ALICE_HZ)
        await self._hears(ALICE, BOB_HZ)

    async def _statistics(self, hers: str, his: str) -> None:
        self._now("asking both ends for the statistics of their audio")
        for desk, dialog in ((self._alice, hers), (self._bob, his)):
            audio = (await desk.do("getStats", dialogId=dialog))["result"]["audio"]
            while (audio["levelInDb"] or -127.0) < HEARD_DB:  # the mean of a second in which the call was still held
                await asyncio.sleep(0.25)
                audio = (await desk.do("getStats", dialogId=dialog))["result"]["audio"]
            values = "  ".join(f"{name} {'-' if value is None else value}" for name, value in audio.items())
            say(f"{desk.agent}: {values}")
            assert audio["packetsReceived"] and audio["packetsSent"], f"{desk.agent} sent or received no audio"

    async def _release(self, hers: str) -> None:
        self._now(f"{ALICE} hangs up")
        await self._alice.do("releaseCall", dialogId=hers)
        await self._alice.expect("dialogState", state="DROPPED", isCallEnded=1)
        await self._bob.expect("dialogState", state="DROPPED", isCallEnded=1)

    async def _menu(self) -> None:
        self._now(f"{ALICE} calls the menu, 5000")
        await self._alice.send("makeCall", calledNumber="5000", Destination_Number="5000", callType="audio")
        dialog = dialog_id(await self._alice.expect("dialogState", state="ACTIVE"))
        ear = Ear()
        (await self._inside(ALICE)).calls[dialog].use(sink=ear.hear)
        await wait_for(lambda: ear.tone()[1] > HEARD_DB, lambda: f"{ALICE} hears the menu's prompt")
        self._now(f"{ALICE} hears the prompt and keys in {DIGITS}#")
        await self._alice.do("SendDtmf", dialogId=dialog, message=f"{DIGITS}#")
        await self._alice.expect("DTMF", type=1)
        await wait_for(
            lambda: any(entry.digits == DIGITS for entry in self._switch.ivr_digits),
            lambda: f"{DIGITS} arrives in the menu, but {[entry.digits for entry in self._switch.ivr_digits]}",
        )
        say(f"the menu got {DIGITS}")
        await self._alice.do("releaseCall", dialogId=dialog)
        await self._alice.expect("dialogState", state="DROPPED", isCallEnded=1)

    def _check_events(self) -> None:
        up = [("dialogState", state) for state in ("ACTIVE", "ACTIVE", "ACTIVE", "HELD", "ACTIVE", "DROPPED")]
        dialling = [("outboundDialing", "INITIATING"), ("outboundDialing", "INITIATED")]
        menu = [("dialogState", "ACTIVE"), ("dialogState", "DROPPED")]
        ringing = [("newInboundCall", "ALERTING"), ("dialogState", "ACTIVE"), ("dialogState", "DROPPED")]
        for desk, wanted in ((self._alice, dialling + up + dialling + menu), (self._bob, ringing)):
            found = dialogs(desk.heard)
            assert found == wanted, f"{desk.agent} heard {found} instead of {wanted}"
            numbers = [event["seq"] for event in desk.heard if "seq" in event]
            assert numbers == list(range(1, len(numbers) + 1)), f"{desk.agent}'s events are numbered {numbers}"


def dialog_id(event: dict[str, Any]) -> str:
    return str(event["response"]["dialog"]["id"])


async def wait_for(holds: Callable[[], bool], what: Callable[[], str], timeout: float = 10.0) -> None:
    """Wait until it holds; else an AssertionError that says what was waited for, and what there was instead."""

    async def asked() -> bool:
        return holds()

    try:
        await until(asked, "", timeout=timeout)
    except AssertionError:
        raise AssertionError(f"waited in vain for this: {what()}") from None
