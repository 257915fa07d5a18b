"""Desks in windows: the addresses that log in, and two windows that call each other by them."""

from __future__ import annotations

import asyncio
import re
import signal
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from offhook.cli.windows import TOKEN_SECONDS, Unproved, call_each_other, desk_gateway, look_at_page
from offhook.testing.desk import Desk

NOWHERE = "ws://127.0.0.1:9"


async def test_an_address_logs_one_extension_in(tmp_path: Path) -> None:
    async with desk_gateway(NOWHERE, "1234", tmp_path) as desks:
        page, _, token = desks.link("1003").partition("#token=")
        assert page == desks.page == f"http://127.0.0.1:{desks.gateway.port}/desk/"
        keys = desks.gateway.station.keys
        assert keys is not None
        now = time.time()
        known = keys.check(token, now)
        assert (known.extension, known.role) == ("1003", "agent") and known.expires <= now + TOKEN_SECONDS
        async with Desk(desks.gateway.url) as desk:
            refused = await desk.attempt("login", extension="1004", token=token)
            assert refused["error"]["code"] == "token-refused"
            refused = await desk.attempt("login", extension="1004", password="1234")
            assert refused["error"]["code"] == "token-required"
        await look_at_page(desks.page)
        assert desks.secret.decode() not in repr(desks)


async def test_secrets_are_for_their_owner(tmp_path: Path) -> None:
    async with desk_gateway(NOWHERE, "1234", tmp_path):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {"token.key": 0o600, "password": 0o600}


async def test_a_page_that_is_not_there(unused_tcp_port: int) -> None:
    async def other(request: web.Request) -> web.Response:
        return web.Response(text="another page", status=404 if request.path == "/gone" else 200)

    app = web.Application()
    app.router.add_get("/{path}", other)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    try:
        with pytest.raises(AssertionError, match="answered 404"):
            await look_at_page(f"http://127.0.0.1:{unused_tcp_port}/gone")
        with pytest.raises(AssertionError, match="something else"):
            await look_at_page(f"http://127.0.0.1:{unused_tcp_port}/other")
    finally:
        await runner.cleanup()


async def test_without_a_browser_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(Unproved, match="apt-get install chromium"):
        await call_each_other({}, print)


@pytest.mark.browser
async def test_two_windows_by_the_printed_addresses(start: Any) -> None:
    """What a person at the terminal does with what `offhook demo` prints."""
    process = await start("demo", "--wait", "--no-ladder")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        text = (await process.stdout.readuntil(b"Ctrl-C stops.\n")).decode()
    links = dict(re.findall(r"agent (\d+):  (http://\S+)", text))
    said: list[str] = []
    try:
        await call_each_other(links, said.append)
    except Unproved as reason:
        pytest.skip(str(reason))
    assert said[-1] == "window of 1000: hangs up"
    assert {f"window of {extension}: the call is up, and audio comes" for extension in links} <= set(said)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 15)
    assert (process.returncode, out, err) == (0, b"demo: ok\n", b"")


@pytest.mark.browser
async def test_what_does_not_come_about_is_said(tmp_path: Path) -> None:
    """A window that cannot log in: nothing is at the other end of its gateway."""
    async with desk_gateway(NOWHERE, "1234", tmp_path) as desks:
        try:
            with pytest.raises(AssertionError, match="window of 1000: opened by its address, it logs in: "):
                await call_each_other({"1000": desks.page, "1001": desks.page}, print)
        except Unproved as reason:
            pytest.skip(str(reason))
