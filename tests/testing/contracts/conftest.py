"""Deadlines that are soon over: here they are to be missed."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("inbox", "engine"):
        monkeypatch.setattr(f"offhook.testing.contracts.{reader}.DEADLINE", 0.2)
