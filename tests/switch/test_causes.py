from __future__ import annotations

import pytest

from offhook.switch.causes import Cause, cause_of, phrase_of


@pytest.mark.parametrize(
    ("cause", "status", "reason"),
    [
        (Cause.USER_BUSY, 486, 'Q.850;cause=17;text="USER_BUSY"'),
        (Cause.CALL_REJECTED, 603, 'Q.850;cause=21;text="CALL_REJECTED"'),
        (Cause.UNALLOCATED_NUMBER, 404, 'Q.850;cause=1;text="UNALLOCATED_NUMBER"'),
        (Cause.NO_ANSWER, 480, 'Q.850;cause=19;text="NO_ANSWER"'),
        (Cause.NORMAL_TEMPORARY_FAILURE, 503, 'Q.850;cause=41;text="NORMAL_TEMPORARY_FAILURE"'),
        (Cause.RECOVERY_ON_TIMER_EXPIRE, 504, 'Q.850;cause=102;text="RECOVERY_ON_TIMER_EXPIRE"'),
        (Cause.NORMAL_CLEARING, 480, 'Q.850;cause=16;text="NORMAL_CLEARING"'),
        (Cause.USER_NOT_REGISTERED, 480, 'SIP;cause=806;text="USER_NOT_REGISTERED"'),
        (Cause.ORIGINATOR_CANCEL, 487, 'SIP;cause=487;text="ORIGINATOR_CANCEL"'),
    ],
)
def test_as_recorded(cause: Cause, status: int, reason: str) -> None:
    assert (cause.status, cause.reason) == (status, reason)


@pytest.mark.parametrize("status", [486, 603, 480, 404, 488, 503, 504, 484, 410, 502])
def test_a_refusal_is_passed_on_as_it_came(status: int) -> None:
    assert cause_of(status).status == status


def test_a_reason_of_ones_own() -> None:
    assert Cause.NORMAL_CLEARING.because("CONFERENCE") == 'Q.850;cause=16;text="CONFERENCE"'
    assert Cause.ORIGINATOR_CANCEL.because("X") == 'SIP;cause=487;text="X"'


def test_what_is_unknown() -> None:
    assert cause_of(499) is Cause.NORMAL_UNSPECIFIED
    assert (phrase_of(499), phrase_of(504)) == ("", "Gateway Time-out")
