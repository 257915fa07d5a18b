"""A real FreeSWITCH with one thing broken at a time: the doctor has to find it, and to name what mends it.

Runs where OFFHOOK_FREESWITCH_FOLDER names a FreeSWITCH that conf/freeswitch is installed in: a folder with `etc`,
`scripts` and `sounds`, users 1000 to 1019 with password 1234, 1009 a supervisor, a queue `support` with agent 1001.
It is copied; the copy runs on ports of its own, on loopback. OFFHOOK_FREESWITCH_BINARY is the program, where PATH has
no `freeswitch`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from offhook.config import Config
from offhook.doctor.bench import Agent, Bench, Numbers
from offhook.doctor.checks import CHECKS
from offhook.doctor.findings import Finding, Verdict
from offhook.doctor.plan import chosen, examine

FOLDER = os.environ.get("OFFHOOK_FREESWITCH_FOLDER", "")
BINARY = os.environ.get("OFFHOOK_FREESWITCH_BINARY") or shutil.which("freeswitch") or ""

pytestmark = [
    pytest.mark.freeswitch,
    pytest.mark.skipif(not FOLDER, reason="needs a FreeSWITCH to copy and break: set OFFHOOK_FREESWITCH_FOLDER"),
    pytest.mark.skipif(
        not BINARY, reason="needs the program: set OFFHOOK_FREESWITCH_BINARY to freeswitch, or have it in PATH"
    ),
]

AGENTS = (Agent("1000", "1234"), Agent("1001", "1234"), Agent("1002", "1234"), Agent("1009", "1234", supervisor=True))
QUEUE = "99887766-support"
START_SECONDS = 30.0
STARTED = re.compile(r"(?=.*FreeSWITCH Started)(?=.*(?:Started Profile|Created agent for) offhook)", re.DOTALL)


def free_port() -> int:
    """A port that nobody listens on, TCP and UDP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


@dataclass
class Copy:
    """A FreeSWITCH of this test's own."""

    home: Path
    ws: int = field(default_factory=free_port)
    wss: int = field(default_factory=free_port)
    sip: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def etc(self) -> Path:
        return self.home / "etc"

    def make(self) -> None:
        for name in ("etc", "scripts"):
            shutil.copytree(Path(FOLDER) / name, self.home / name)
        for name in ("db", "log", "run", "storage", "recordings", "cache", "temp"):
            (self.home / name).mkdir()
        for other in (self.etc / "sip_profiles").iterdir():
            if other.name != "offhook.xml":
                other.unlink()
        listen = {
            "sip_port": str(self.sip),
            "ws_binding": f"127.0.0.1:{self.ws}",
            "wss_binding": f"127.0.0.1:{self.wss}",
        }
        for name, value in listen.items():
            self.change("offhook/vars.xml", rf'(offhook_{name})=[^"]*', rf"\1={value}")
        self.change("autoload_configs/modules.conf.xml", r'<load module="mod_event_socket"/>', "")
        self.change("autoload_configs/switch.conf.xml", r'("rtp-start-port" value=)"\d+"', r'\1"28000"')
        self.change("autoload_configs/switch.conf.xml", r'("rtp-end-port" value=)"\d+"', r'\1"31999"')

    def change(self, name: str, pattern: str, new: str) -> None:
        path = self.etc / name
        text, count = re.subn(pattern, new, path.read_text(), flags=re.DOTALL)
        assert count, f"{name}: no {pattern}"
        path.write_text(text)

    def parameter(self, name: str, value: str) -> None:
        """A parameter of the agents' profile."""
        self.change("sip_profiles/offhook.xml", rf'(<param name="{name}" value=)"[^"]*"', rf'\1"{value}"')

    async def start(self) -> None:
        folders = {name: self.home / name for name in ("log", "db", "run", "scripts", "storage", "recordings")}
        words = [f"-{name}={path}".split("=") for name, path in folders.items()]
        words += [["-cache", str(self.home / "cache")], ["-temp", str(self.home / "temp")]]
        words += [["-conf", str(self.etc)], ["-certs", str(self.etc / "tls")], ["-sounds", f"{FOLDER}/sounds"]]
        words += [["-mod", str(Path(BINARY).parent.parent / "lib/freeswitch/mod")]]
        flat = [one for pair in words for one in pair]
        output = (self.home / "start.log").open("wb")
        with output:
            self.process = await asyncio.create_subprocess_exec(
                BINARY,
                "-nf",
                "-nc",
                "-nonat",
                "-np",
                *flat,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        await self._ready()

    async def _ready(self) -> None:
        """Until it has started, which its log says; raises AssertionError where it ends before, or after 30 s."""
        log = self.home / "log" / "freeswitch.log"
        assert self.process is not None
        text = ""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not STARTED.search(text):
                    assert self.process.returncode is None, f"it ended: {self.process.returncode}"
                    await asyncio.sleep(0.1)  # a foreign process: its log is looked at, it tells nobody
                    text = log.read_text(errors="replace") if log.exists() else ""
        except TimeoutError:
            raise AssertionError(f"not ready: {text[-2000:] or 'no log'}") from None

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 20)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


Break = Callable[[Copy], None]


@pytest.fixture(autouse=True)
def quick() -> None:
    """Not here: a real one needs its pauses."""


@pytest.fixture
async def copy(tmp_path: Path) -> AsyncIterator[Copy]:
    made = Copy(tmp_path / "fs")
    made.home.mkdir()
    made.make()
    yield made
    await made.stop()


Examined = Callable[..., Awaitable[dict[str, Finding]]]


async def examined(copy: Copy, *only: str, tls: bool = False, **options: Any) -> dict[str, Finding]:
    url = f"wss://127.0.0.1:{copy.wss}" if tls else f"ws://127.0.0.1:{copy.ws}"
    agents = options.pop("agents", AGENTS)
    bench = Bench(Config(sip=(url,), **options), agents, Numbers(queue=QUEUE))
    try:
        findings = await examine(bench, chosen(CHECKS, only), lambda news: None)
    finally:
        await bench.close()
    with Path(os.environ.get("OFFHOOK_DOCTOR_RECORD", os.devnull)).open("a") as record:
        for one in findings:
            if one.outcome.verdict is Verdict.FAILED or one.outcome.notes:
                notes = "; ".join(one.outcome.notes)
                record.write(f"{one.check}\t{one.outcome.seen}\t{one.outcome.remedy}\t{notes}\n")
    return {one.check: one for one in findings}


async def test_one_that_is_well(copy: Copy) -> None:
    await copy.start()
    found = await examined(copy)
    wrong = {name: one.outcome.seen for name, one in found.items() if one.outcome.verdict is not Verdict.OK}
    assert set(wrong) == {"untrusted-headers"}, wrong


def certificate(copy: Copy, *, days: float, name: str = "127.0.0.1") -> None:
    """A certificate signed by itself."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternative: x509.GeneralName = x509.DNSName(name)
    if name[0].isdigit():
        alternative = x509.IPAddress(ip_address(name))
    end = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([alternative]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (copy.etc / "tls" / "wss.pem").write_bytes(pem + secret)
    (copy.home / "ca.pem").write_bytes(pem)


BREAKS: dict[str, tuple[Break, str, str, str]] = {
    "confirm-blind-transfer off": (
        lambda copy: copy.parameter("confirm-blind-transfer", "false"),
        "transfer-back",
        "was told as done",
        "confirm-blind-transfer",
    ),
    "lua settings not included": (
        lambda copy: copy.change("autoload_configs/lua.conf.xml", r"<X-PRE-PROCESS[^>]*lua_settings.xml\"/>", ""),
        "agent-call",
        "did not ring",
        "lua.conf.xml",
    ),
    "contact.lua missing": (
        lambda copy: (copy.home / "scripts/offhook/contact.lua").unlink(),
        "agent-call",
        "did not ring",
        "contact.lua",
    ),
    "lua hook missing": (
        lambda copy: copy.change("offhook/lua_settings.xml", r'<hook event="RECV_INFO"[^>]*>', ""),
        "words",
        "was not answered",
        "lua.conf.xml",
    ),
    "words.lua missing": (
        lambda copy: (copy.home / "scripts/offhook/words.lua").unlink(),
        "words",
        "was not answered",
        "words.lua",
    ),
    "dialplan/offhook.xml missing": (
        lambda copy: (copy.etc / "dialplan/offhook.xml").unlink(),
        "agent-call",
        "did not ring",
        "dialplan/offhook.xml",
    ),
    "offhook_role missing": (
        lambda copy: copy.change("directory/default.xml", r'<variable name="offhook_role" value="supervisor"/>', ""),
        "monitor",
        "403",
        "offhook_role=supervisor",
    ),
    "monitor.lua missing": (
        lambda copy: (copy.home / "scripts/offhook/monitor.lua").unlink(),
        "monitor",
        "*441001",
        "monitor.lua",
    ),
    "ws-binding off": (
        lambda copy: copy.change("sip_profiles/offhook.xml", r'<param name="ws-binding"[^>]*>', ""),
        "port",
        "refuses the connection",
        "offhook_ws_binding",
    ),
    "queue missing in mod_callcenter": (
        lambda copy: copy.change("offhook/callcenter_queue.xml", r'<queue name="support@', '<queue name="sales@'),
        "queue",
        "404",
        "callcenter.conf.xml",
    ),
    "mod_callcenter not loaded": (
        lambda copy: copy.change("autoload_configs/modules.conf.xml", r'<load module="mod_callcenter"/>', ""),
        "queue",
        QUEUE,
        "mod_callcenter loaded",
    ),
    "no codec in common": (
        lambda copy: copy.change(
            "vars.xml", r'data="(global|outbound)_codec_prefs=[^"]*"', r'data="\1_codec_prefs=G722"'
        ),
        "echo",
        "488",
        "global_codec_prefs",
    ),
    "extended-info-parsing on": (
        lambda copy: copy.parameter("extended-info-parsing", "true"),
        "api-request",
        "EXECUTE",
        "extended-info-parsing",
    ),
    "enable-chat on": (
        lambda copy: copy.parameter("enable-chat", "true"),
        "api-message",
        "EXECUTE",
        "enable-chat",
    ),
    "nightmare transfers not asked for": (
        lambda copy: copy.parameter("channel-xml-fetch-on-nightmare-transfer", "false"),
        "unknown-replaces",
        "CALL ANY ADDRESS",
        "channel-xml-fetch-on-nightmare-transfer",
    ),
    "refer.lua missing": (
        lambda copy: (copy.home / "scripts/offhook/refer.lua").unlink(),
        "unknown-replaces",
        "CALL ANY ADDRESS",
        "refer.lua",
    ),
    "offhook-number missing": (
        lambda copy: copy.change("dialplan/offhook.xml", r'<extension name="offhook-number">.*?</extension>', ""),
        "expansion",
        "expanded to offhookdoctor",
        "offhook-number",
    ),
    "offhook-number missing, and two agents": (
        lambda copy: copy.change("dialplan/offhook.xml", r'<extension name="offhook-number">.*?</extension>', ""),
        "expansion",
        "looked up as a number (404",
        "offhook-number",
    ),
    "offhook-recover missing": (
        lambda copy: copy.change("dialplan/offhook.xml", r'<extension name="offhook-recover">.*?</extension>', ""),
        "recover",
        "and not 481",
        "dialplan/offhook.xml",
    ),
    "accept-blind-reg on": (
        lambda copy: copy.parameter("accept-blind-reg", "true"),
        "wrong-password",
        "ANYBODY CAN REGISTER",
        "accept-blind-reg",
    ),
    "auth-calls off": (
        lambda copy: copy.parameter("auth-calls", "false"),
        "echo",
        "403",
        "auth-calls",
    ),
    "users in the sample's context": (
        lambda copy: copy.change("directory/default.xml", r'(name="user_context" value=)"offhook"', r'\1"default"'),
        "monitor-refused",
        "AGENTS CAN LISTEN",
        "user_context=offhook",
    ),
    "send-display-update off": (
        lambda copy: copy.parameter("send-display-update", "false"),
        "attended-transfer",
        "is not told",
        "send-display-update",
    ),
    "candidate acl without us": (
        lambda copy: copy.change("offhook/vars.xml", r"(offhook_candidate_acl)=[^\"]*", r"\1=domains"),
        "echo",
        "488",
        "offhook_candidate_acl",
    ),
    "mod_conference not loaded": (
        lambda copy: copy.change("autoload_configs/modules.conf.xml", r'<load module="mod_conference"/>', ""),
        "conference",
        "",
        "mod_conference loaded",
    ),
    "9196 no service number": (
        lambda copy: copy.change("offhook/vars.xml", r'(offhook_service_numbers)=[^"]*', r"\1=^never$"),
        "blind-transfer",
        "9196",
        "offhook_service_numbers",
    ),
    "password changed": (
        lambda copy: copy.change("vars.xml", r'(data="default_password)=[^"]*', r"\1=other"),
        "register",
        "403",
        "password",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_one_thing_broken(copy: Copy, name: str) -> None:
    do, check, seen, remedy = BREAKS[name]
    do(copy)
    await copy.start()
    found = await examined(copy, check, agents=AGENTS[:2] if "two agents" in name else AGENTS)
    outcome = found[check].outcome
    assert outcome.verdict is Verdict.FAILED, outcome
    assert seen in outcome.seen and remedy in outcome.remedy, outcome


@pytest.mark.parametrize(
    ("days", "name", "seen"),
    [(-3, "127.0.0.1", "expired"), (60, "pbx.example", "mismatch"), (60, "127.0.0.1", "")],
    ids=["expired", "another name", "good"],
)
async def test_certificates(copy: Copy, days: float, name: str, seen: str) -> None:
    certificate(copy, days=days, name=name)
    await copy.start()
    outcome = (await examined(copy, "certificate", tls=True, ca_file=str(copy.home / "ca.pem")))["certificate"].outcome
    assert outcome.verdict is (Verdict.FAILED if seen else Verdict.OK), outcome
    assert seen in outcome.seen
    if seen:
        assert "wss.pem" in outcome.remedy


async def test_a_certificate_that_nobody_knows_and_one_that_ends_soon(copy: Copy) -> None:
    certificate(copy, days=9)
    await copy.start()
    outcome = (await examined(copy, "certificate", tls=True))["certificate"].outcome
    assert "self-signed" in outcome.seen and "--ca-file" in outcome.remedy
    outcome = (await examined(copy, "sip", tls=True, ca_file=str(copy.home / "ca.pem")))["certificate"].outcome
    assert outcome.verdict is Verdict.OK and "renew" in outcome.notes[0]


async def test_a_wrong_domain_that_the_server_takes_is_a_note(copy: Copy) -> None:
    """The profile forces its own domain upon registrations, so that most of it works."""
    await copy.start()
    outcome = (await examined(copy, "digest", domain="pbx.example"))["digest"].outcome
    assert outcome.verdict is Verdict.OK and "--domain 127.0.0.1" in outcome.notes[0], outcome


async def test_a_wrong_domain_is_told_from_a_wrong_password(copy: Copy) -> None:
    for name in ("force-register-domain", "force-register-db-domain"):
        copy.change("sip_profiles/offhook.xml", rf'<param name="{name}"[^>]*>', "")
    copy.parameter("challenge-realm", "auto_from")
    await copy.start()
    outcome = (await examined(copy, "register", domain="pbx.example"))["register"].outcome
    assert outcome.verdict is Verdict.FAILED and outcome.remedy == "Say --domain 127.0.0.1", outcome
    agents = (AGENTS[0], Agent("1001", "wrong"))
    outcome = (await examined(copy, "register", agents=agents))["register"].outcome
    assert outcome.verdict is Verdict.FAILED and "its password" in outcome.remedy, outcome


async def test_several_registrations(copy: Copy) -> None:
    """conf/freeswitch calls one address: without this setting not that of who registered last."""
    copy.parameter("multiple-registrations", "true")
    await copy.start()
    outcome = (await examined(copy, "one-registration"))["one-registration"].outcome
    assert outcome.verdict is Verdict.FAILED and "multiple-registrations" in outcome.remedy, outcome
