"""The command types: their names, and what their reprs do not tell."""

from __future__ import annotations

from typing import get_args

from offhook.cti import commands
from offhook.cti.commands import Command, Login, MakeCall, SendDtmf


def test_actions_are_the_contract_s() -> None:
    assert {str(kind.__struct_config__.tag) for kind in get_args(Command)} == {
        "login", "logout", "makeCall", "makeOBCall", "answerCall", "releaseCall", "rejectCall", "holdCall",
        "retrieveCall", "mute_call", "unmute_call", "SendDtmf", "getState", "getDialog", "getStats", "resume",
        "renewToken",
        "SST", "SST_Queue", "makeConsult", "makeConsultQueue", "consultTransfer", "conference_consult",
        "dropParticipant", "silentMonitor", "bargeIn", "whisper", "convertCall", "updateCallVariableData",
    }  # fmt: skip


def test_no_action_is_also_one_of_those_that_are_not_ours() -> None:
    known = {str(kind.__struct_config__.tag) for kind in get_args(Command)}
    assert not known & commands.NOT_OURS


def test_no_number_digit_or_password_in_a_repr() -> None:
    told = repr(MakeCall(calledNumber="5551234", Destination_Number="800", callType="audio"))
    told += repr(Login(extension="1000", password="secret"))
    told += repr(SendDtmf(dialogId="d7", message="4711"))
    assert not any(secret in told for secret in ("5551234", "800", "secret", "4711"))
    assert "d7" in told
