"""The table of a call."""

from __future__ import annotations

from offhook.cti.call import STEPS, UNANSWERED, Call, Phase, Step
from offhook.cti.dialog import Kind, outbound


def call(phase: Phase) -> Call:
    dialog = outbound("d1", "1", "2", "audio", extension="1000", address_type="X", originator="normal", wall=0.0)
    return Call(dialog, Kind.OUT, "m1", phase)


def test_every_phase_is_reached_and_left() -> None:
    reached = set(STEPS.values()) | {Phase.OFFERING, Phase.RINGING}
    assert reached == set(Phase)
    assert {phase for phase, _ in STEPS} == set(Phase) - {Phase.OVER}


def test_every_call_can_end() -> None:
    for phase in set(Phase) - {Phase.OVER}:
        made = call(phase)
        assert made.step(Step.END)
        assert made.phase is Phase.OVER
        assert not made.step(Step.END)


def test_every_row() -> None:
    for (phase, step), following in STEPS.items():
        made = call(phase)
        assert made.can(step) and made.step(step)
        assert made.phase is following


def test_a_stray_changes_nothing() -> None:
    for phase in Phase:
        for step in Step:
            if (phase, step) not in STEPS:
                made = call(phase)
                assert not made.can(step) and not made.step(step)
                assert made.phase is phase


def test_a_hang_up_has_one_way_to_go() -> None:
    assert {following for (_, step), following in STEPS.items() if step is Step.HANG_UP} == {Phase.ENDING}
    assert UNANSWERED == {phase for phase, step in STEPS if step in (Step.ANSWER, Step.ACCEPT)}


def test_the_id_is_the_dialog_s() -> None:
    assert call(Phase.UP).id == "d1"
