from __future__ import annotations

import json

import pytest

from offhook.errors import RemoteError
from offhook.sip.dialog import RESTORE_GAP, Dialog, Numbering
from offhook.sip.message import Request, Response


def invite(*extra: tuple[str, str]) -> Request:
    return Request(
        "INVITE",
        "sip:bob@example.org",
        [
            ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1"),
            ("From", '"Alice" <sip:alice@example.org>;tag=a'),
            ("To", "<sip:bob@example.org>"),
            ("Call-ID", "call"),
            ("CSeq", "7 INVITE"),
            ("Contact", "<sip:alice@host.invalid;transport=ws>"),
            *extra,
        ],
    )


def answered(*extra: tuple[str, str], tag: str | None = "b") -> Response:
    response = invite().response(200, to_tag=tag)
    for name, value in extra:
        response.headers.add(name, value)
    return response


def test_the_caller_learns_target_and_routes_in_reverse() -> None:
    response = answered(
        ("Contact", "<sip:bob@10.0.0.1:5060;transport=udp>"),
        ("Record-Route", "<sip:p2;lr>, <sip:p1;lr>"),
    )
    dialog = Dialog.of_caller(invite(), response, Numbering(7))
    assert (dialog.call_id, dialog.local_tag, dialog.remote_tag, dialog.caller) == ("call", "a", "b", True)
    bye = dialog.request("BYE")
    assert bye.uri == "sip:bob@10.0.0.1:5060;transport=udp"
    assert bye.headers.all("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert bye.headers.get("From") == '"Alice" <sip:alice@example.org>;tag=a'
    assert (bye.headers.get("To"), bye.headers.get("CSeq")) == ("<sip:bob@example.org>;tag=b", "8 BYE")


def test_the_called_party_keeps_the_order_of_the_routes() -> None:
    asked = invite(("Record-Route", "<sip:p2;lr>"), ("Record-Route", "<sip:p1;lr>"))
    dialog = Dialog.of_called(asked, "b", Numbering(0))
    request = dialog.request("INFO")
    assert request.uri == "sip:alice@host.invalid;transport=ws"
    assert request.headers.all("Route") == ["<sip:p2;lr>", "<sip:p1;lr>"]
    assert request.headers.get("From") == "<sip:bob@example.org>;tag=b"
    assert request.headers.get("CSeq") == "1 INFO"


def test_a_strict_router_becomes_the_request_uri() -> None:
    asked = invite(("Record-Route", "<sip:strict>, <sip:p1;lr>"))
    request = Dialog.of_called(asked, "b", Numbering(0)).request("BYE")
    assert request.uri == "sip:strict"
    assert request.headers.all("Route") == ["<sip:p1;lr>", "<sip:alice@host.invalid;transport=ws>"]


def test_what_lacks_tag_or_contact_makes_no_dialog() -> None:
    with pytest.raises(RemoteError):
        Dialog.of_caller(invite(), answered(tag=None), Numbering(7))
    asked = invite()
    asked.headers.remove("Contact")
    with pytest.raises(RemoteError) as caught:
        Dialog.of_called(asked, "b", Numbering(0))
    assert caught.value.status == 400


def test_a_response_without_contact_leaves_the_first_target() -> None:
    dialog = Dialog.of_caller(invite(), answered(), Numbering(7))
    assert dialog.remote_target == "sip:bob@example.org"
    dialog.confirm(answered(("Contact", "<sip:bob@second>")))
    assert (dialog.remote_target, dialog.confirmed) == ("sip:bob@second", True)
    dialog.refresh_target(answered(("Contact", "<sip:bob@third>")))
    dialog.refresh_target(answered())
    assert dialog.remote_target == "sip:bob@third"


def test_requests_out_of_order_are_noticed() -> None:
    dialog = Dialog.of_called(invite(), "b", Numbering(0))
    later = dialog.request("BYE", 9)
    assert dialog.accepts(later)
    assert not dialog.accepts(later)
    assert not dialog.accepts(dialog.request("INFO", 8))
    assert dialog.accepts(dialog.request("INFO", 100))


def test_ack_and_cancel_take_a_number_of_their_own() -> None:
    dialog = Dialog.of_called(invite(), "b", Numbering(3))
    assert dialog.request("ACK", 3).headers.get("CSeq") == "3 ACK"
    assert dialog.numbering.last == 3


def test_a_restored_dialog_never_uses_a_number_twice() -> None:
    dialog = Dialog.of_caller(
        invite(), answered(("Contact", "<sip:x@y>"), ("Record-Route", "<sip:p;lr>")), Numbering(7)
    )
    restored = Dialog.restore(json.loads(json.dumps(dialog.snapshot())))
    was, now = dialog.request("BYE"), restored.request("BYE")
    assert now.headers.get("CSeq") == f"{8 + RESTORE_GAP} BYE"
    now.headers.set("CSeq", was.headers.get("CSeq") or "")
    assert now.serialize() == was.serialize()
    assert restored.confirmed and restored.caller


def test_numbers_stay_out_of_the_repr() -> None:
    assert "alice" not in repr(Dialog.of_called(invite(), "b", Numbering(0)))
