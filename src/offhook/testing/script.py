"""A SIP peer that does what the test says, on a network in memory.

    network = Network()
    peer = ScriptedPeer(network, url="ws://pbx", answers=("REGISTER",))
    ...
    invite = peer.expect_request("INVITE", headers={"X-Queue": None})
    peer.respond(invite, 180)
    answer = peer.respond(invite, 200, body=SDP)
    peer.expect_request("ACK")
    peer.send('''
        BYE {invite.contact.uri} SIP/2.0
        Via: SIP/2.0/WS pbx.invalid;branch={branch}
        From: {answer.to}
        To: {invite.from_}
        Call-ID: {invite.call_id}
        CSeq: 1 BYE
        ''', invite=invite, answer=answer)
    peer.expect_response(200, "BYE")

What is expected must be the next message. Where it is not, the test fails with the ladder of all that was said.
"""

from __future__ import annotations

import re
import textwrap
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from offhook.clock import Now, Timers
from offhook.errors import ParseError
from offhook.sip.flow import (
    CloseFlow,
    FlowClosed,
    FlowFailed,
    FlowInput,
    FlowOpened,
    FlowOutput,
    FlowReceived,
    OpenFlow,
    Send,
)
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.testing.clock import SeededIds
from offhook.testing.network import Host, Network

Check = str | re.Pattern[str] | Callable[[str], bool] | None
"""What the first header of a name must be: that text, something with that pattern in it, something that the callable is
true of; None: there must be none."""

WITHIN = 10.0
"""Seconds of virtual time that a peer waits for a message."""


class ScriptedPeer:
    """A node on the network that speaks when told to; with `url` it listens there.

    `answers` are methods that it answers 200 by itself, without showing them (a REGISTER gets its Contacts back).
    `flow` is the flow it speaks on: the one that was opened last, unless set.
    """

    def __init__(
        self,
        network: Network,
        name: str = "peer",
        *,
        url: str | None = None,
        answers: Collection[str] = (),
        seed: int = 0,
    ) -> None:
        self.network = network
        self.timers = Timers()
        self.flow = ""
        self.answers = frozenset(answers)
        self.messages: deque[Request | Response | bytes] = deque()
        """What came and was not expected yet; octets where they are no SIP message."""
        self.closed: list[FlowClosed | FlowFailed] = []
        self.host: Host = network.add(name, self, url=url)
        self._ids = SeededIds(seed)
        self._outputs: list[FlowOutput] = []

    # The verbs of a node

    def receive(self, given: FlowInput, now: Now) -> None:
        """What the network tells."""
        if isinstance(given, FlowOpened):
            self.flow = given.flow
        elif isinstance(given, FlowClosed | FlowFailed):
            self.closed.append(given)
        elif isinstance(given, FlowReceived):
            self._take(given)

    def outputs(self) -> list[FlowOutput]:
        out, self._outputs = self._outputs, []
        return out

    # The script

    def connect(self, url: str, flow: str = "flow") -> None:
        """Open a flow and wait until it is open."""
        before = len(self.closed)
        self._outputs.append(OpenFlow(flow, url))
        self.network.run_until(lambda: self.flow == flow or len(self.closed) > before, WITHIN, f"a flow to {url}")
        self.network.check(self.flow == flow, f"{url} cannot be reached: {self.closed[before:]}")

    def close(self) -> None:
        """Close the flow it speaks on."""
        self._outputs.append(CloseFlow(self.flow))
        self.network.run()

    def expect_request(
        self,
        method: str,
        *,
        within: float = WITHIN,
        headers: Mapping[str, Check] | None = None,
        body: Check = "",
    ) -> Request:
        """The next message, which must be a request with that method and those headers (and body, unless empty)."""
        message = self._next(method, within)
        good = isinstance(message, Request) and message.method == method
        self.network.check(good, f"expected {method}, got {describe(message)}")
        assert isinstance(message, Request)
        self._check(message, headers, body)
        return message

    def expect_response(
        self,
        status: int,
        method: str | None = None,
        *,
        within: float = WITHIN,
        headers: Mapping[str, Check] | None = None,
        body: Check = "",
    ) -> Response:
        """The next message, which must be a response with that status, to a request with that method."""
        what = f"{status} ({method})" if method else str(status)
        message = self._next(what, within)
        good = isinstance(message, Response) and message.status == status
        self.network.check(good, f"expected {what}, got {describe(message)}")
        assert isinstance(message, Response)
        self.network.check(method in (None, message.cseq.method), f"expected {what}, got {describe(message)}")
        self._check(message, headers, body)
        return message

    def expect_nothing(self, seconds: float) -> None:
        """No message comes for so long."""
        self.network.run(seconds)
        came = [describe(message) for message in self.messages]
        self.network.check(not came, f"expected silence for {seconds:g} s, got {', '.join(came)}")

    def send(self, text: str, **values: Any) -> Request | Response:
        """Send a message; gives it, as it stands on the wire.

        The text is dedented and gets CRLF and a Content-Length. `{name}` is a value given, or an attribute of one
        (`{invite.call_id}`); `{branch}`, `{tag}` and `{call_id}` are fresh ones unless given.
        """
        fresh = {"branch": f"z9hG4bK{self._ids.token()}", "tag": self._ids.token(64), "call_id": self._ids.token()}
        filled = textwrap.dedent(text).strip("\n").format_map({**fresh, **values}).replace("\r\n", "\n")
        head, _, body = filled.partition("\n\n")
        octets = (body.rstrip("\n") + "\n").replace("\n", "\r\n").encode() if body else b""
        lines = head.rstrip().split("\n")
        if not any(line.lower().startswith("content-length:") for line in lines):
            lines.append(f"Content-Length: {len(octets)}")
        data = "\r\n".join(lines).encode() + b"\r\n\r\n" + octets
        self.send_raw(data)
        return parse_message(data)

    def respond(
        self,
        request: Request,
        status: int,
        phrase: str | None = None,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str = "",
        content_type: str = "application/sdp",
        to_tag: str | None = None,
    ) -> Response:
        """Answer a request; the To gets a tag (always the same for one Call-ID), an INVITE a Contact."""
        tag = to_tag or f"tag{sum(request.call_id.encode())}"
        response = request.response(status, phrase, to_tag=None if status == 100 else tag)
        if request.method == "INVITE" and 100 < status < 300:
            response.headers.add("Contact", f"<sip:{self.host.name}@{self.host.name}.invalid;transport=ws>")
        for name, value in headers:
            response.headers.add(name, value)
        if body:
            response.headers.add("Content-Type", content_type)
            response.body = body.encode()
        self.send_raw(response.serialize())
        return response

    def send_raw(self, data: bytes) -> None:
        """Send octets, whatever they are."""
        self._outputs.append(Send(self.flow, data))
        self.network.run()

    def _take(self, given: FlowReceived) -> None:
        try:
            message = parse_message(given.data)
        except ParseError:
            self.messages.append(given.data)
            return
        if isinstance(message, Request) and message.method in self.answers:
            response = message.response(200, to_tag="auto")
            for contact in message.headers.all("Contact"):
                response.headers.add("Contact", contact)
            if (expires := message.headers.get("Expires")) is not None:
                response.headers.add("Expires", expires)
            self._outputs.append(Send(given.flow, response.serialize()))
        else:
            self.messages.append(message)

    def _next(self, what: str, within: float) -> Request | Response | bytes:
        self.network.run_until(lambda: bool(self.messages), within, f"{what} at {self.host.name}")
        return self.messages.popleft()

    def _check(self, message: Request | Response, headers: Mapping[str, Check] | None, body: Check) -> None:
        for name, check in (headers or {}).items():
            value = message.headers.get(name)
            problem = f"{describe(message)} has {name}: {value!r}, not {check!r}"
            self.network.check(fits(value, check), problem)
        if body != "":
            self.network.check(fits(message.text or None, body), f"{describe(message)} has the body {message.text!r}")


def fits(value: str | None, check: Check) -> bool:
    """Whether a header or body, None where there is none, is as asked for."""
    if value is None or check is None:
        return value is None and check is None
    if isinstance(check, str):
        return value == check
    if isinstance(check, re.Pattern):
        return check.search(value) is not None
    return check(value)


def describe(message: Request | Response | bytes) -> str:
    """A message in a few words."""
    if isinstance(message, Request):
        return message.method
    if isinstance(message, Response):
        return f"{message.status} {message.phrase} ({message.cseq.method})"
    return f"{len(message)} octets that are no SIP message"
