"""Asks DNS what `offhook.sip.location` wants to know.

NAPTR and SRV records are asked of DNS itself, by dnspython. Addresses are asked of the system, which knows /etc/hosts
too and puts them into the order in which this machine can reach them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from offhook.errors import LocalError
from offhook.sip.location import Location, Naptr, Question, Record, Server, Srv, Target

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.name

logger = logging.getLogger(__name__)

QUESTION_TIMEOUT = 1.5
"""Seconds for one question. Three follow one another; all of them have to fit into the time for opening a flow."""

CACHED = 1000
"""So many answers are kept, each as long as it says itself."""


class Resolver:
    """Finds servers. `dns_resolver` takes the place of the system's configuration (/etc/resolv.conf)."""

    def __init__(
        self,
        dns_resolver: dns.asyncresolver.Resolver | None = None,
        *,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        self._dns = dns_resolver
        self._fraction = fraction

    async def locate(self, server: Server) -> tuple[Target, ...]:
        """Where to connect, the best first. Raises LocalError, a sentence, where there is nothing."""
        location = Location(server, self._fraction)
        while location.targets is None:
            questions = location.outputs()
            answers = await asyncio.gather(*map(self._ask, questions))
            for question, records in zip(questions, answers, strict=True):
                location.receive(question, records)
        if not location.targets:
            raise LocalError(f"DNS has no SIP server for {server.where}. Check the domain, or give HOST:PORT")
        return location.targets

    async def _ask(self, question: Question) -> list[Record]:
        try:
            if question.kind == "address":
                async with asyncio.timeout(QUESTION_TIMEOUT):
                    return [*await addresses(question.name)]
            return await self._ask_dns(question)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            logger.debug("no %s of %s: %s", question.kind, question.name, error)
            return []

    async def _ask_dns(self, question: Question) -> list[Record]:
        # Loaded when it is needed: it takes 0.15 s, and who gives addresses never needs it.
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        try:
            if self._dns is None:
                self._dns = dns.asyncresolver.Resolver()
                self._dns.cache = dns.resolver.LRUCache(CACHED)
            answer = await self._dns.resolve(
                question.name, question.kind, search=False, raise_on_no_answer=False, lifetime=QUESTION_TIMEOUT
            )
        except dns.exception.DNSException as error:
            logger.debug("no %s of %s: %s", question.kind, question.name, error)
            return []
        return [record_of(question, data) for data in answer.rrset or ()]


def record_of(question: Question, data: Any) -> Record:
    """What dnspython made of the data of an SRV or NAPTR record, as our own."""
    if question.kind == "SRV":
        return Srv(data.priority, data.weight, data.port, host_name(data.target))
    flags, service, regexp = (text.decode("latin-1") for text in (data.flags, data.service, data.regexp))
    return Naptr(data.order, data.preference, flags, service, host_name(data.replacement), regexp)


def host_name(name: dns.name.Name) -> str:
    """Without the dot at its end; empty for the root."""
    return name.to_text(omit_final_dot=True).removesuffix(".")


async def addresses(host: str) -> list[str]:
    """The IP addresses of a host, the one to try first before the others. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
