"""Calls that are answered by 3xx: where to try next, where that is wanted at all (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

from dataclasses import replace

from offhook.errors import RemoteError
from offhook.sip.fields import Address
from offhook.sip.message import Response

FOLLOWED = (300, 301, 302)
"""305 would have us trust another proxy, and 380 names another service: neither is for us to take up."""

SECURE = {"sip": ("sip", "sips"), "sips": ("sips",)}
"""What a URI may lead to: never from sips to sip (RFC 3261 §26.4.4)."""


class Redirection:
    """The targets of one call that were tried, and those that may be."""

    __slots__ = ("_left", "_scheme", "_tried", "_waiting")

    def __init__(self, limit: int, target: str) -> None:
        """`limit`: so many further targets are tried; `target` is the first."""
        self._left = limit
        self._scheme = target.partition(":")[0].lower()
        self._tried = {target}
        self._waiting: list[str] = []

    def next(self, response: Response) -> str | None:
        """Where to send the INVITE now that it got this answer of 300 or more; None: nowhere, it is refused."""
        if response.status in FOLLOWED:
            self._add(response)
        elif response.status >= 600 or not self._waiting:
            return None
        while self._waiting and self._left > 0:
            target = self._waiting.pop(0)
            if target not in self._tried:
                self._left -= 1
                self._tried.add(target)
                return target
        return None

    def _add(self, response: Response) -> None:
        try:
            contacts = response.contacts
        except RemoteError:
            return
        good = [contact for contact in contacts if contact.uri.scheme in SECURE.get(self._scheme, ())]
        # RFC 3261 §20.10: the highest q first. Headers in the URI could make us say anything.
        ordered = sorted(good, key=_preference, reverse=True)
        self._waiting = [str(replace(contact.uri, headers=())) for contact in ordered] + self._waiting


def _preference(contact: Address) -> float:
    text = contact.parameters.get("q") or "1"
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
