"""Write docs/reference/stories.md from what the stories' last runs have left in build/stories/ (make stories).

A row a story, a column a server. Of a story with several tests: one that fails is the cell; else what passes, and what
cannot be, with the reason. What was not run is said to be so.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = HERE / "reference" / "stories.md"
MARK = "<!-- Written by docs/stories.py (make stories) from real runs; do not edit. -->\n\n"
SERVERS = {
    "switch": "development switch",
    "freeswitch": "FreeSWITCH",
    "asterisk": "Asterisk",
    "efcx": "dialect efcx (our own imitation)",
}
CANNOT = "cannot: "


def page(runs: dict[str, dict[str, Any]], stories: list[str], cannot: dict[tuple[str, str], str]) -> str:
    """The page for runs by server."""
    parts = [
        "# Stories\n\nEach story of the contract on each server: the tests of `tests/scenarios/stories`, media by "
        "tones. Cannot: what the server, or the vendor's protocol, has no means for, with the source.\n",
        "| server | version | date | commit, and the tree on it | tests passed |\n|---|---|---|---|---|",
    ]
    for name, title in SERVERS.items():
        run = runs.get(name)
        if run is None:
            parts.append(f"| {title} | not run | | | |")
        else:
            told = (row for row in run["results"].values() if (row["story"], name) not in cannot)
            outcomes = [row["outcome"] for row in told]
            count = f"{outcomes.count('passed')} of {sum(outcome != 'skipped' for outcome in outcomes)}"
            parts.append(f"| {title} | {run['version']} | {run['date']} | {run['commit']} | {count} |")
    parts.append("\n| story | " + " | ".join(SERVERS.values()) + " |\n|---|" + "---|" * len(SERVERS))
    notes: list[str] = []
    for story in stories:
        cells = [cell(runs.get(name), story, cannot.get((story, name)), notes) for name in SERVERS]
        parts.append(f"| {story} | " + " | ".join(cells) + " |")
    parts.append("\n## Why\n")
    parts += [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return MARK + "\n".join(parts) + "\n"


def cell(run: dict[str, Any] | None, story: str, reason: str | None, notes: list[str]) -> str:
    """What came of a story on a server; reasons go to the notes."""
    if reason is not None:
        return f"cannot, because ({note(reason, notes)})"
    rows = [] if run is None else [row for row in run["results"].values() if row["story"] == story]
    failed = [row for row in rows if row["outcome"] == "failed"]
    passed = [row for row in rows if row["outcome"] == "passed"]
    skipped = [row["reason"].partition(CANNOT)[2] for row in rows if CANNOT in row["reason"]]
    if failed:
        return f"fail ({note(failed[0]['reason'].replace('|', '/'), notes)})"
    if not passed:
        return f"cannot, because ({note(skipped[0], notes)})" if skipped else "not run"
    return "pass" + "".join(f"; in part it cannot, because ({note(each, notes)})" for each in sorted(set(skipped)))


def note(text: str, notes: list[str]) -> int:
    if text not in notes:
        notes.append(text)
    return notes.index(text) + 1


def main() -> int:
    table = tomllib.loads((ROOT / "tests" / "scenarios" / "stories" / "cannot.toml").read_text())
    cannot = {(story, row["server"]): row["reason"] for row in table["cannot"] for story in row["stories"]}
    runs = {path.stem: json.loads(path.read_text()) for path in (ROOT / "build" / "stories").glob("*.json")}
    PAGE.write_text(page(runs, table["stories"], cannot))
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
