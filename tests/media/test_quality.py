from __future__ import annotations

import pytest

from offhook.media.quality import mos


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "opus", "unknown"])
def test_loss_and_delay_make_it_worse_and_nothing_leaves_the_scale(codec: str) -> None:
    scores = [mos(codec, loss, 0.05) for loss in (0.0, 0.01, 0.05, 0.1, 0.3, 1.0)]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) >= 5
    assert 4.3 < scores[0] <= 4.5 and 1.0 <= scores[-1] < 1.5
    assert mos(codec, 0.0, 0.1) > mos(codec, 0.0, 0.4) > mos(codec, 0.0, 2.0) >= 1.0
    assert mos(codec, -1.0, -1.0) <= 4.5 and mos(codec, 7.0, 99.0) == 1.0


def test_known_values() -> None:
    """G.711 without loss and delay: R = 93.2, MOS 4.41 (ITU-T G.107)."""
    assert mos("PCMU", 0.0, 0.0) == pytest.approx(4.41, abs=0.01)
