"""docs/reference/recovery.md: what becomes of a call, by its state and by what goes wrong."""

from __future__ import annotations

from offhook.testing.faults import FAULTS, STATES, TABLE

HEAD = """# What becomes of a call when something breaks

Made of `src/offhook/testing/faults.py`; each cell is a test on the development switch in virtual time
(`tests/cti/test_recovery_table.py`). `told`: desks hear `xmppEvent` OUT_OF_SERVICE and, when the connection is back,
IN_SERVICE and each live dialog; else they hear nothing of it. How a call comes back is the diagram "Recovery" in
[state-diagrams.md](state-diagrams.md).

| Fault | What it is |
|---|---|
"""


def page() -> str:
    lines = [f"| {name} | {text} |" for name, text in FAULTS.items()]
    parts = [HEAD + "\n".join(lines) + "\n"]
    for state, row in TABLE.items():
        said = f"{STATES[state]}\n\n" if STATES[state] else ""
        parts.append(f"## {state[0].upper()}{state[1:]}\n\n{said}| Fault | The call | Told | How |\n|---|---|---|---|")
        for fault, outcome in row.items():
            fate = outcome.fate if outcome.reason is None else f"{outcome.fate} (`{outcome.reason}`)"
            parts.append(f"| {fault} | {fate} | {'yes' if outcome.told else 'no'} | {outcome.note} |")
        parts.append("")
    return "\n".join(parts)
