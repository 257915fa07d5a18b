"""The station in this process, and how one logs in to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

from offhook.api.agent import Agent
from offhook.api.page import Page
from offhook.config import DEFAULT_SERVERS, Config
from offhook.errors import CommandFailed, LoginRefused, StateError
from offhook.gateway.app import Station

CALLBACK_SECONDS = 1.0
"""For the last callbacks of a phone that is closed."""


class Phone:
    """Agents, calls and audio in this process. An asynchronous context manager.

    `servers` are tried in their order. The options are those of `offhook serve`: see `offhook.config.Config`, which
    checks them; `supervisor` names the extensions that may listen to others. Raises `ConfigError`.
    """

    def __init__(
        self,
        *servers: str,
        domain: str = "",
        media: Literal["local", "null"] = "local",
        source: str = "silence",
        media_address: str = "",
        insecure_tls: bool = False,
        ca_file: str = "",
        sip_trace: str = "",
        dtmf: Literal["info", "rtp"] = "info",
        call_waiting: Literal["announce", "busy"] = "announce",
        dialect: str = "freeswitch",
        supervisor: Sequence[str] = (),
    ) -> None:
        self.config = Config(
            sip=servers or DEFAULT_SERVERS,
            domain=domain,
            media=media,
            source=source,
            media_address=media_address,
            insecure_tls=insecure_tls,
            ca_file=ca_file,
            sip_trace=sip_trace,
            dtmf=dtmf,
            call_waiting=call_waiting,
            dialect=dialect,
            supervisor=tuple(supervisor),
        )
        self._station: Station | None = None
        self._page: Page | None = None
        self._pages: list[Page] = []

    async def __aenter__(self) -> Phone:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        if self._station is not None:
            raise StateError("the phone is started already")
        self._station = Station(self.config)
        await self._station.start()

    async def close(self) -> None:
        """End all calls, log all agents out, free everything; within 5 s."""
        if self._station is not None:
            station, self._station, self._page = self._station, None, None
            await station.stop()
            pages, self._pages = [page.finished for page in self._pages], []
            if pages:
                _, late = await asyncio.wait(pages, timeout=CALLBACK_SECONDS)
                for task in late:
                    task.cancel()

    async def login(self, extension: str, password: str, *, timeout: float = 10.0) -> Agent:
        """Log an agent in. Raises `LoginRefused` with code `credentials-refused`, `unreachable` or `timeout`."""
        station = self._running()
        agent = Agent(station, extension)
        try:
            async with asyncio.timeout(timeout):
                await agent.command("login", extension=extension, password=password)
        except (CommandFailed, TimeoutError) as error:
            agent.leave("the login failed")
            code, detail = (
                (error.code, error.detail)
                if isinstance(error, CommandFailed)
                else ("timeout", f"The server did not answer within {timeout:g} s.")
            )
            raise LoginRefused("login", code, detail) from None
        except asyncio.CancelledError:
            agent.leave("the login was cancelled")
            raise
        return agent

    def page(self) -> Page:
        """A page of its own, for an agent of its own."""
        page = Page(self._running())
        self._pages.append(page)
        return page

    def post(self, command: Mapping[str, Any]) -> None:
        """A command of the contract as it is, on this phone's one page: see `Page.post`."""
        if self._page is None:
            self._page = self.page()
        self._page.post(command)

    def _running(self) -> Station:
        if self._station is None:
            raise StateError("the phone is not started: use `async with Phone(...) as phone`")
        return self._station
