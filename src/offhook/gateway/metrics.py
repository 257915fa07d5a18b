"""What Prometheus reads at `/metrics`: numbers alone, no extension and no number, labels from closed sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from offhook import __version__
from offhook.config import is_loopback
from offhook.cti.errors import CODES
from offhook.cti.events import CommandResult, Error, ToDesk
from offhook.gateway.rest import Refused, Rest, answer
from offhook.journal.writer import Journal

if TYPE_CHECKING:
    from offhook.gateway.app import Station

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Tally:
    """What is counted as it happens. Keys are from closed sets: nobody outside can make them more."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.results: Counter[tuple[str, str]] = Counter()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.closed: Counter[str] = Counter()
        self.opened = 0

    def told(self, message: ToDesk, connections: int) -> None:
        """A message went to so many connections."""
        self.messages[message.name] += connections
        if isinstance(message, Error):
            code = message.response.code
            self.errors[code if code in CODES else "server"] += 1
        elif isinstance(message, CommandResult):
            self.results[message.action or "unknown", message.status] += 1


class _Numbers(Collector):
    """All of it, collected when it is asked for."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def collect(self) -> Iterator[Metric]:
        hub, tally = self._station.hub, self._station.tally
        yield InfoMetricFamily("offhook_build", "The version.", value={"version": __version__})
        yield GaugeMetricFamily("offhook_agents", "Agents that are logged in.", value=hub.agents)
        yield GaugeMetricFamily("offhook_calls", "Live calls of all agents.", value=hub.calls)
        yield GaugeMetricFamily("offhook_connections", "Open connections of desks and programs.", value=hub.connections)
        yield CounterMetricFamily("offhook_connections_opened", "Connections so far.", value=tally.opened)
        yield _counter("offhook_commands", "Commands, by action.", ["action"], _keyed(hub.commands))
        results = "Outcomes of the commands that asked for one."
        yield _counter("offhook_command_results", results, ["action", "status"], tally.results)
        yield _counter("offhook_messages", "Messages to desks, by event.", ["event"], _keyed(tally.messages))
        yield _counter(
            "offhook_errors", "Error events; `server`: a code of the other side.", ["code"], _keyed(tally.errors)
        )
        yield _counter("offhook_closed_connections", "Those that the gateway closed.", ["code"], _keyed(tally.closed))
        if self._station.journal is not None:
            yield from _of_journal(self._station.journal)
        yield _counter("offhook_http_requests", "By method and status.", ["method", "status"], tally.requests)


def _of_journal(journal: Journal) -> Iterator[Metric]:
    said = "1: the journal is written in time; 0: it is not, and calls go on without it."
    yield GaugeMetricFamily("offhook_journal_ok", said, value=journal.state == "ok")
    yield CounterMetricFamily("offhook_journal_commits", "Commits to the disk.", value=journal.commits)
    seconds = "Time that all commits took together."
    yield CounterMetricFamily("offhook_journal_commit_seconds", seconds, value=journal.commit_seconds)
    late = "Steps of agents that went on before they were on the disk."
    yield CounterMetricFamily("offhook_journal_late", late, value=journal.late)
    yield CounterMetricFamily("offhook_journal_failures", "Commits that failed.", value=journal.failures)
    dropped = "Events and ended calls that waited for a failing disk until they were too many."
    yield CounterMetricFamily("offhook_journal_dropped", dropped, value=journal.dropped)
    damaged = "Entries that could not be read when the journal was opened."
    yield GaugeMetricFamily("offhook_journal_unreadable", damaged, value=journal.unreadable)


def _keyed(counts: Counter[str]) -> dict[tuple[str, ...], int]:
    return {(key,): count for key, count in counts.items()}


def _counter(
    name: str, words: str, labels: list[str], counts: dict[tuple[str, ...], int] | Counter[tuple[str, str]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=labels)
    for key, count in sorted(counts.items()):
        family.add_metric(list(key), count)
    return family


class Metrics:
    """Serves `/metrics`: with keys to those who have a token of role service, else to this machine alone."""

    def __init__(self, station: Station, rest: Rest) -> None:
        self._station = station
        self._rest = rest
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Numbers(station))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    async def serve(self, request: web.Request) -> web.Response:
        if self._station.keys is not None:
            try:
                allowed = self._rest.authorize(request).role == "service"
            except Refused as refused:
                return answer(refused.problem)
        else:
            # A proxy on this machine speaks for others.
            proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
            allowed = is_loopback(request.remote or "") and not proxied and _is_asked_here(request)
        if not allowed:
            raise web.HTTPForbidden(text="Metrics are for this machine, or for a token of role service.\n")
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE})


def _is_asked_here(request: web.Request) -> bool:
    """Whether the request names this machine: a page of any name may be led here by its name server."""
    try:
        name = urlsplit(f"//{request.headers.get('Host', 'localhost')}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)
