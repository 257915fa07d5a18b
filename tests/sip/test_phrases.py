"""Every status of the table makes a response that can be written and read again."""

from __future__ import annotations

import pytest

from offhook.sip.message import Response
from offhook.sip.parser import StreamParser
from offhook.sip.phrases import PHRASES


@pytest.mark.parametrize("status", PHRASES)
def test_a_phrase_stands_in_its_start_line(status: int) -> None:
    (read,) = StreamParser().receive(Response(status).serialize())
    assert isinstance(read, Response)
    assert (read.status, read.phrase) == (status, PHRASES[status])
