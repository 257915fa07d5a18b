"""What pages are told about STUN and TURN."""

from __future__ import annotations

import base64
import hashlib
import hmac

from offhook.clock import Now
from offhook.gateway.ice import TURN_SECONDS, IceSettings

NOW = Now(5.0, 1_800_000_000.5)


def test_nothing_is_named_by_itself() -> None:
    assert IceSettings().for_page("1000", NOW) == {"servers": [], "policy": "all"}


def test_a_turn_password_holds_for_half_a_day() -> None:
    ice = IceSettings(("stun:a:3478", "turn:b:3478", "turns:b:5349?transport=tcp"), "geheim", "relay")
    told = ice.for_page("1000", NOW)
    stun, turn = told["servers"]
    assert told["policy"] == "relay"
    assert stun == {"urls": ["stun:a:3478"]}
    assert turn["urls"] == ["turn:b:3478", "turns:b:5349?transport=tcp"]
    assert turn["username"] == f"{1_800_000_000 + TURN_SECONDS}:1000"
    proof = hmac.new(b"geheim", turn["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(turn["credential"]) == proof
    assert "geheim" not in repr(ice)
