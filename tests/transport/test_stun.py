"""STUN messages: what is one, and the address in them. (How flows use them: test_udp.)"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.transport.stun import BINDING_SUCCESS, MAGIC_COOKIE, Peer, binding_success, is_stun, mapped_address


@pytest.mark.parametrize("peer", [("192.0.2.1", 32853), ("2001:db8::1", 32853, 0, 0), ("fe80::1%lo", 1, 0, 1)])
def test_the_mapped_address_does_not_depend_on_the_id(peer: Peer) -> None:
    answers = [binding_success(bytes([id]) * 12, peer) for id in (1, 2)]
    assert all(map(is_stun, answers))
    assert mapped_address(answers[0]) == mapped_address(answers[1]) != b""


def test_the_answer_of_rfc_5769() -> None:
    """Section 2.2: 192.0.2.1 port 32853."""
    id = bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert binding_success(id, ("192.0.2.1", 32853))[20:] == bytes.fromhex("002000080001a147e112a643")


@given(st.binary(max_size=100))
def test_any_octets_are_stun_or_not(data: bytes) -> None:
    is_stun(data)
    head = struct.pack("!HHI", BINDING_SUCCESS, len(data), MAGIC_COOKIE) + bytes(12)
    assert is_stun(head + data)
    mapped_address(head + data)
