"""The table of dialects."""

from __future__ import annotations

from offhook.cti.dialects import DIALECTS


def test_each_has_its_name() -> None:
    assert list(DIALECTS) == ["freeswitch", "efcx"]
    assert all(dialect.name == name for name, dialect in DIALECTS.items())
