"""Calls that are answered by 3xx: where to try next, where that is wanted at all (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from offhook.errors import RemoteError
from offhook.sip.fields import Address
from offhook.sip.message import Response
from offhook.sip.uri import NO_URI_PARAMETERS, Uri

FOLLOWED = (300, 301, 302)
"""305 would have us trust another proxy, and 380 names another service: neither is for us to take up."""

SECURE = {"sip": ("sip", "sips"), "sips": ("sips",)}
"""What a URI may lead to: never from sips to sip (RFC 3261 §26.4.4)."""


class Redirection:
    """The targets of one call that were tried, and those that may be.

    They are numbers in the domain of the first one: whoever answers a call names them, and is not to have us call any
    host, or a number that we would not dial.
    """

    __slots__ = ("_first", "_left", "_may_call", "_tried", "_waiting")

    def __init__(self, limit: int, target: str, may_call: Callable[[str], bool] = bool) -> None:
        """`limit`: so many further targets are tried; `target` is the first; `may_call`: the numbers that may be."""
        self._left = limit
        self._first = Uri.parse(target)
        self._may_call = may_call
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
        # RFC 3261 §20.10: the highest q first.
        ordered = sorted((contact for contact in contacts if self._allows(contact.uri)), key=_preference, reverse=True)
        self._waiting = [self._plain(contact.uri) for contact in ordered] + self._waiting

    def _allows(self, uri: Uri) -> bool:
        first = self._first
        inside = uri.host.lower() == first.host.lower() and uri.port in (None, first.port)
        number = inside and uri.scheme in SECURE.get(first.scheme, ()) and uri.user
        return bool(number) and uri.password is None and self._may_call(str(number))

    def _plain(self, uri: Uri) -> str:
        """Headers could make us say anything, and parameters send it anywhere (`maddr`)."""
        return str(replace(uri, headers=(), parameters=NO_URI_PARAMETERS, port=self._first.port, written_user=None))


def _preference(contact: Address) -> float:
    text = contact.parameters.get("q") or "1"
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
