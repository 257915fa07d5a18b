"""Whole gateways on disks that are full, read-only, stalled or damaged: no call that lives is lost by that.

The small disk is a tmpfs, which only root may mount; elsewhere those tests are skipped, and `test_writer.py` has their
errors by hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from offhook.config import Config
from offhook.gateway.app import Gateway
from offhook.journal import writer
from offhook.journal.entries import Changes
from offhook.journal.store import Store
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.desk import Desk, until

ECHO = {"calledNumber": "9196", "Destination_Number": "9196", "callType": "audio"}


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    yield switch
    await switch.stop()


Mount = Callable[..., None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Mount]]:
    """A disk of 1 MiB, and how to mount it otherwise."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(("size=1m", *options)), "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"a disk cannot be mounted here: {done.stderr.decode().strip()}")

    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mount()
    yield folder, mount
    subprocess.run(["umount", "-l", str(folder)], check=True)


@asynccontextmanager
async def gateway_on(path: Path, switch: Switch) -> AsyncIterator[Gateway]:
    """A gateway that leaves its calls to the next one at the end."""
    given: dict[str, Any] = {"listen": "127.0.0.1:0", "media": "null", "domain": "127.0.0.1"}
    gateway = Gateway(Config(sip=(switch.ws_url,), journal=str(path), **given))
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.leave()


async def call(desk: Desk) -> str:
    await desk.do("makeCall", **ECHO)
    return str((await desk.expect("dialogState", state="ACTIVE"))["response"]["dialog"]["id"])


async def held_again(desk: Desk, dialog: str) -> None:
    """The call can be commanded: it is back."""

    async def held() -> bool:
        return bool((await desk.attempt("holdCall", dialogId=dialog))["status"] == "done")

    await until(held, "a call that can be held")


async def state_is(gateway: Gateway, state: str) -> None:
    async def is_it() -> bool:
        return gateway.station.health()["journal"] == state

    await until(is_it, f"a journal that is {state}")


async def metric(gateway: Gateway, name: str) -> float:
    url = gateway.health_url.replace("healthz", "metrics")
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))


def fill(folder: Path) -> Path:
    """Leave no octet free."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


async def test_a_full_disk(
    small_disk: tuple[Path, Mount], switch: Switch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.05)
    folder, _ = small_disk
    path = folder / "journal"
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        ballast = fill(folder)
        dialog = await call(desk)
        for _ in range(10):  # whatever room the file had inside is used up too
            await desk.do("holdCall", dialogId=dialog)
            await desk.do("retrieveCall", dialogId=dialog)
        await state_is(gateway, "failing")
        assert gateway.station.health()["status"] == "degraded"
        assert await metric(gateway, "offhook_journal_ok") == 0
        assert await metric(gateway, "offhook_journal_failures_total") > 0
        assert "the journal cannot be written" in caplog.text
        ballast.unlink()
        await state_is(gateway, "ok")
        assert await metric(gateway, "offhook_journal_ok") == 1
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.do("resume", extension="1000", password="1234", stream="another", seq=0)
        await held_again(desk, dialog)
        await desk.do("logout")


async def test_a_restart_on_a_disk_that_is_full_and_on_one_that_can_only_be_read(
    small_disk: tuple[Path, Mount], switch: Switch
) -> None:
    folder, mount = small_disk
    path = folder / "journal"
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        dialog = await call(desk)
    ballast = fill(folder)
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.do("resume", extension="1000", password="1234", stream="another", seq=0)
        await held_again(desk, dialog)
        assert gateway.station.health()["journal"] == "failing"
        ballast.unlink()
        await state_is(gateway, "ok")
    mount("remount", "ro")
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.do("resume", extension="1000", password="1234", stream="another", seq=0)
        await held_again(desk, dialog)
        assert gateway.station.health()["journal"] == "failing"
        mount("remount", "rw")
        await state_is(gateway, "ok")
        await desk.do("logout")
    assert switch.channels() == ()


async def test_a_disk_that_stalls(tmp_path: Path, switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    moves, real = threading.Event(), Store.write
    moves.set()

    def write(store: Store, changes: Changes) -> set[str]:
        assert moves.wait(20)
        return real(store, changes)

    monkeypatch.setattr(Store, "write", write)
    path = tmp_path / "journal"
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        moves.clear()
        dialog = await call(desk)
        assert gateway.station.health() | {"journal": "late", "status": "degraded"} == gateway.station.health()
        assert await metric(gateway, "offhook_journal_late_total") > 0
        moves.set()
        await state_is(gateway, "ok")
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.do("resume", extension="1000", password="1234", stream="another", seq=0)
        await held_again(desk, dialog)
        await desk.do("logout")


async def test_a_damaged_journal_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal"
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
    path.write_bytes(os.urandom(20_000))
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        assert gateway.station.hub.agents == 0
        assert "was damaged and is now" in caplog.text
        assert await metric(gateway, "offhook_journal_unreadable") > 0
        await desk.login("1000", "1234")
    assert len(list(tmp_path.glob("journal.corrupt-*"))) == 1
    async with gateway_on(path, switch) as gateway, Desk(gateway.url) as desk:
        await desk.do("resume", extension="1000", password="1234", stream="another", seq=0)
        await desk.do("logout")
