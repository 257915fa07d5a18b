"""Why calls end: FreeSWITCH's hangup causes, and how they and SIP statuses become each other.

Numbers below 128 are those of ITU-T Q.850, the others FreeSWITCH's own. The two tables are what FreeSWITCH 1.11.1 was
seen to do (traces 09 to 12b), completed from the behaviour its documentation states for the rest.
"""

from __future__ import annotations

from enum import Enum

from offhook.sip.phrases import PHRASES


class Cause(Enum):
    """A hangup cause; the value is its number."""

    UNALLOCATED_NUMBER = 1
    NO_ROUTE_DESTINATION = 3
    NORMAL_CLEARING = 16
    USER_BUSY = 17
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    CALL_REJECTED = 21
    NUMBER_CHANGED = 22
    EXCHANGE_ROUTING_ERROR = 25
    INVALID_NUMBER_FORMAT = 28
    NORMAL_UNSPECIFIED = 31
    NETWORK_OUT_OF_ORDER = 38
    NORMAL_TEMPORARY_FAILURE = 41
    SERVICE_UNAVAILABLE = 63
    SERVICE_NOT_IMPLEMENTED = 79
    INCOMPATIBLE_DESTINATION = 88
    MANDATORY_IE_MISSING = 96
    RECOVERY_ON_TIMER_EXPIRE = 102
    INTERWORKING = 127
    ORIGINATOR_CANCEL = 487
    BLIND_TRANSFER = 800
    ATTENDED_TRANSFER = 801
    PICKED_OFF = 802
    USER_NOT_REGISTERED = 806

    @property
    def reason(self) -> str:
        """The value of the Reason header (RFC 3326)."""
        if self is Cause.PICKED_OFF:
            return 'SIP;cause=200;text="Call completed elsewhere"'
        return self.because(self.name)

    def because(self, text: str) -> str:
        """The value of a Reason header with that text: FreeSWITCH's variable `sip_reason`."""
        protocol = "Q.850" if self.value < 128 else "SIP"
        return f'{protocol};cause={self.value};text="{text}"'

    @property
    def status(self) -> int:
        """The final SIP status for an unanswered caller."""
        return _STATUSES.get(self, 480)


_STATUSES = {
    Cause.UNALLOCATED_NUMBER: 404,
    Cause.NO_ROUTE_DESTINATION: 404,
    Cause.USER_BUSY: 486,
    Cause.CALL_REJECTED: 603,
    Cause.NUMBER_CHANGED: 410,
    Cause.EXCHANGE_ROUTING_ERROR: 483,
    Cause.INVALID_NUMBER_FORMAT: 484,
    Cause.NETWORK_OUT_OF_ORDER: 502,
    Cause.NORMAL_TEMPORARY_FAILURE: 503,
    Cause.SERVICE_UNAVAILABLE: 503,
    Cause.SERVICE_NOT_IMPLEMENTED: 501,
    Cause.INCOMPATIBLE_DESTINATION: 488,
    Cause.RECOVERY_ON_TIMER_EXPIRE: 504,
    Cause.ORIGINATOR_CANCEL: 487,
}

_CAUSES = {
    Cause.CALL_REJECTED: (401, 402, 403, 407, 603, 608),
    Cause.UNALLOCATED_NUMBER: (404,),
    Cause.NO_ROUTE_DESTINATION: (485, 604),
    Cause.RECOVERY_ON_TIMER_EXPIRE: (408, 504),
    Cause.NUMBER_CHANGED: (410,),
    Cause.INTERWORKING: (413, 414, 416, 420, 421, 423, 505, 513),
    Cause.NO_USER_RESPONSE: (480,),
    Cause.NORMAL_TEMPORARY_FAILURE: (400, 481, 500, 503),
    Cause.USER_BUSY: (486, 600),
    Cause.INVALID_NUMBER_FORMAT: (484,),
    Cause.INCOMPATIBLE_DESTINATION: (488, 606),
    Cause.NETWORK_OUT_OF_ORDER: (502,),
    Cause.SERVICE_UNAVAILABLE: (405,),
    Cause.SERVICE_NOT_IMPLEMENTED: (406, 415, 501),
    Cause.EXCHANGE_ROUTING_ERROR: (482, 483),
    Cause.ORIGINATOR_CANCEL: (487,),
}

_BY_STATUS = {status: cause for cause, statuses in _CAUSES.items() for status in statuses}


def cause_of(status: int) -> Cause:
    """What a final SIP status of a called party means."""
    return _BY_STATUS.get(status, Cause.NORMAL_UNSPECIFIED)


_SPELLED = {481: "Call Does Not Exist", 500: "Internal Server Error", 504: "Gateway Time-out"}
"""Reason phrases that FreeSWITCH has otherwise than the registry."""


def phrase_of(status: int) -> str:
    """The reason phrase as FreeSWITCH spells it; none for a status that has none."""
    return _SPELLED.get(status) or PHRASES.get(status, "")
