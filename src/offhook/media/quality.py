"""How good a call sounds, estimated from loss and delay: the E-model of ITU-T G.107 with its default values. Pure."""

from __future__ import annotations

_IMPAIRMENT = {
    # codec: (Ie, Bpl). G.711 with concealment: ITU-T G.113 appendix I. The ITU has no narrow-band values for Opus;
    # these say that it is as good as G.711 and a little less robust.
    "opus": (0.0, 20.0),
    "pcmu": (0.0, 25.1),
    "pcma": (0.0, 25.1),
}


def mos(codec: str, loss: float, delay: float) -> float:
    """Mean opinion score, 1.0 to 4.5, of what is received.

    `loss` is the share of packets (0 to 1) that were not played: lost or late; `delay` the one-way delay in seconds.
    """
    equipment, robustness = _IMPAIRMENT.get(codec.lower(), (0.0, 25.1))
    percent = 100.0 * min(max(loss, 0.0), 1.0)
    effective = equipment + (95.0 - equipment) * percent / (percent + robustness)
    milliseconds = 1000.0 * max(delay, 0.0)
    late = 0.024 * milliseconds + 0.11 * max(0.0, milliseconds - 177.3)
    rating = 93.2 - effective - late
    if rating <= 0.0:
        return 1.0
    score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6
    return min(max(score, 1.0), 4.5)
