"""Where the account can be reached: its Contact, as the flow to the server and what the server says of us make it."""

from __future__ import annotations

from ipaddress import ip_address

from offhook.errors import LocalError, RemoteError
from offhook.sip.account import Account
from offhook.sip.exchange import Endpoint, Flow
from offhook.sip.fields import Address
from offhook.sip.message import Response
from offhook.sip.uri import Uri


class Whereabouts:
    """`binding` is the URI that is registered; what stands in dialogs is `endpoint.contact`, kept up to date here."""

    __slots__ = ("binding", "_endpoint", "_account", "_host", "_flow", "_gruu", "_outbound")

    def __init__(self, endpoint: Endpoint, account: Account, host: str) -> None:
        """`host` is that of our Contact over a WebSocket: nobody can connect to it (RFC 7118 §5)."""
        self.binding = ""
        self._endpoint = endpoint
        self._account = account
        self._host = host
        self._flow: Flow | None = None
        self._gruu: str | None = None
        self._outbound = False
        endpoint.sent_by = host
        self._move(host, None, "ws")

    def opened(self, flow: Flow) -> bool:
        """There is another flow to the server; whether our Contact is another one now."""
        self._flow = flow
        if flow.websocket:
            # FreeSWITCH wants transport=ws in secure WebSockets too; nobody resolves that URI.
            return self._move(self._host, None, "ws")
        return self._move(*flow.host_and_port, flow.transport.lower())

    def learn(self, response: Response) -> bool:
        """The server says from where our request came (RFC 3581 §4); whether our Contact is another one by that."""
        flow = self._flow
        if flow is None or flow.websocket:
            return False
        try:
            seen, port = response.via.received, response.via.rport
            host, known = flow.host_and_port
            if seen is not None and "%" not in seen:
                host = f"[{seen}]" if ip_address(seen.strip("[]")).version == 6 and "[" not in seen else seen
        except (RemoteError, ValueError):
            return False
        return self._move(host, port or known, flow.transport.lower())

    def line(self, expires: int) -> str:
        """The Contact of a REGISTER, for so many seconds."""
        line = f"<{self.binding}>;expires={expires}"
        if self._account.instance is not None:
            # RFC 5626 §4.2: who we are, whichever flow we come by.
            line += f';+sip.instance="<{self._account.instance}>";reg-id=1'
        return line

    def granted(self, response: Response) -> Address | None:
        """The 2xx to a REGISTER: gives our own Contact in it, and takes what the server made for us."""
        mine = next((contact for contact in response.contacts if self._is_ours(contact)), None)
        if self._account.instance is not None:
            # RFC 5627 §4.4: an address that reaches this very instance, from anywhere.
            gruu = None if mine is None else mine.parameters.get("pub-gruu")
            self._gruu = gruu if gruu and _is_sip(gruu) else None
            # RFC 5626 §4.2.1: the registrar says so where it keeps flows.
            self._outbound = "outbound" in response.require
            self._tell()
        return mine

    def _is_ours(self, contact: Address) -> bool:
        if str(contact.uri) == self.binding:
            return True
        instance = self._account.instance
        return instance is not None and contact.parameters.get("+sip.instance") == f"<{instance}>"

    def _move(self, host: str, port: int | None, transport: str) -> bool:
        # The user of the Contact is the extension: FreeSWITCH tells it to the other party as our number.
        try:
            binding = str(Uri.sip(self._account.user, host, port, transport=transport))
        except LocalError:
            return False  # an address that cannot stand in a URI: the one before is as good
        moved = binding != self.binding
        self.binding = binding
        self._tell()
        return moved

    def _tell(self) -> None:
        if self._gruu is not None:
            self._endpoint.contact = f"<{self._gruu}>"
        else:
            # RFC 5626 §4.3: requests within the dialog shall come by this flow.
            self._endpoint.contact = f"<{self.binding}{';ob' if self._outbound else ''}>"


def _is_sip(text: str) -> bool:
    try:
        return Uri.parse(text).scheme in ("sip", "sips")
    except RemoteError:
        return False
