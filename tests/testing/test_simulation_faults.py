"""Each fault by itself is survived."""

from __future__ import annotations

from random import Random

import pytest

from offhook.testing.simulation import Floor
from offhook.testing.simulation_faults import FAULTS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault(fault: Fault) -> None:
    floor = Floor(9)
    floor.work(45.0, faults=False)
    before = floor.network.now()
    assert fault(floor, Random(3))
    floor.work(60.0, faults=False)
    assert floor.network.now().monotonic > before.monotonic
    assert fault.__doc__
