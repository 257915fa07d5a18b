from __future__ import annotations

import dataclasses

import pytest

from offhook.sip.timers import Timing


def test_defaults_are_those_of_the_rfc() -> None:
    timing = Timing()
    assert (timing.t1, timing.t2, timing.t4, timing.d, timing.patience) == (0.5, 4.0, 5.0, 32.0, 32.0)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Timing().t1 = 1.0  # type: ignore[misc]


def test_pause_doubles_up_to_its_limit_with_jitter() -> None:
    timing = Timing(backoff=0.5, backoff_limit=30.0)
    assert [timing.pause(n, 1.0) for n in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert timing.pause(0, 0.0) == 0.25
    assert timing.pause(10_000, 0.0) == 15.0


def test_silence_and_probe_are_over_before_a_transaction_times_out() -> None:
    timing = Timing()
    assert timing.silence + timing.probe < timing.patience
