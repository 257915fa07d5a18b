"""What pages are told about STUN and TURN servers; passwords for TURN that end by themselves. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Literal

from offhook.clock import Now

TURN_SECONDS = 12 * 3600
"""How long a TURN password holds; a relay that is in use goes on."""


@dataclass(frozen=True, slots=True)
class IceSettings:
    """`servers`: `stun:`, `turn:` and `turns:` URLs. `secret` is the TURN servers' (coturn: static-auth-secret)."""

    servers: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)
    policy: Literal["all", "relay"] = "all"

    def for_page(self, extension: str, now: Now) -> dict[str, Any]:
        """As messages have it: `{"servers": [...], "policy": ...}`, the servers as an RTCIceServer each."""
        servers: list[dict[str, Any]] = []
        if stun := [url for url in self.servers if url.startswith("stun")]:
            servers.append({"urls": stun})
        if turn := [url for url in self.servers if url.startswith("turn")]:
            # draft-uberti-behave-turn-rest: the name says until when it holds, the password is the proof of it.
            username = f"{int(now.wall) + TURN_SECONDS}:{extension}"
            digest = hmac.new(self.secret.encode(), username.encode(), hashlib.sha1).digest()
            servers.append({"urls": turn, "username": username, "credential": base64.b64encode(digest).decode()})
        return {"servers": servers, "policy": self.policy}
