"""Both engines keep the contract of all media engines."""

from __future__ import annotations

from offhook.media.engine import MediaEngine
from offhook.media.local import LocalEngine
from offhook.media.null import NullEngine
from offhook.testing.contracts import EngineContract


class TestNullEngine(EngineContract):
    carries_audio = False

    def engine(self) -> MediaEngine:
        return NullEngine()


class TestNullEngineAsFreeSwitch(EngineContract):
    carries_audio = False

    def engine(self) -> MediaEngine:
        return NullEngine(flavour="freeswitch")


class TestLocalEngine(EngineContract):
    walk = 60

    def engine(self) -> MediaEngine:
        return LocalEngine(address="127.0.0.1")
