"""What every transport and every media engine has to keep, as test classes to inherit from (pytest, pytest-asyncio).

    class TestMyTransport(TransportContract):
        def client(self, deliver): return MyTransport(deliver)
        async def server(self, deliver): ...

The waits in here are for events, with a deadline that only a broken implementation reaches.
"""

from __future__ import annotations

from offhook.testing.contracts.engine import EngineContract, Studio, any_request, audio_of, negotiate, outcome_of
from offhook.testing.contracts.inbox import Inbox
from offhook.testing.contracts.transport import Line, StreamContract, TransportContract, framed, unused_port

__all__ = [
    "EngineContract",
    "Inbox",
    "Line",
    "StreamContract",
    "Studio",
    "TransportContract",
    "any_request",
    "audio_of",
    "framed",
    "negotiate",
    "outcome_of",
    "unused_port",
]
