"""Seeds that broke a promise once, up to a little after they did. A seed's course changes with the code; each stays."""

from __future__ import annotations

import pytest

from offhook.testing.simulation import run

pytestmark = pytest.mark.simulation
SEEDS = {
    3: (700.0, "killed when the record was on the disk and the BYE had not left: the next process did not send it"),
    6: (500.0, "killed when the record was on the disk; a call in a queue was taken over"),
    15: (900.0, "killed, and a call released that was just being taken over"),
    18: (400.0, "frozen switch, then killed: both parties of a call were lost, and one held it"),
    19: (600.0, "killed while a transfer rang at its target"),
    39: (500.0, "the customer's call ended while the gateway was gone, and with it the consult"),
    106: (120.0, "killed while a consult was being dialled over a slow network"),
    108: (1700.0, "killed, then a slow network: a takeover that was answered after its deadline was ended"),
    116: (1100.0, "killed while a call was being dialled, which a colleague answered"),
    314: (300.0, "killed as a call was answered, which was taken over in a pause of the dialplan"),
}
"""Seconds of work, and what it was."""


@pytest.mark.parametrize("seed", SEEDS)
def test_what_broke_once(seed: int) -> None:
    run(seed, SEEDS[seed][0])
