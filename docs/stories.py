"""Write docs/reference/stories.md and desk-stories.md from what the last runs of stories have left in build/stories/.

A row a story, a column a server. Of a story with several tests: one that fails is the cell; else what passes, and what
cannot be, with the reason. What was not run is said to be so.
"""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MARK = "<!-- Written by docs/stories.py (make stories) from real runs; do not edit. -->\n\n"
CANNOT = "cannot: "


@dataclass(frozen=True, slots=True)
class Kind:
    """A page of stories, and whose runs it tells."""

    path: Path
    head: str
    servers: dict[str, str]
    """What each is called, by its name in build/stories/."""
    ways: dict[str, str] = field(default_factory=dict)
    """What an agent does for a story, in a column of its own."""


SERVERS = Kind(
    HERE / "reference" / "stories.md",
    "# Stories\n\nEach story of the contract on each server: the tests of `tests/scenarios/stories`, media by "
    "tones. Cannot: what the server, or the vendor's protocol, has no means for, with the source.\n",
    {
        "switch": "development switch",
        "freeswitch": "FreeSWITCH",
        "asterisk": "Asterisk",
        "efcx": "dialect efcx (our own imitation)",
    },
)
DESKS = Kind(
    HERE / "reference" / "desk-stories.md",
    "# Stories at the desk\n\nEach story of the contract by the desk's own buttons, in Chromium with fake devices: the "
    "tests of `tests/web/desk/stories`. One browser process an agent, each with a tone for a voice; what is heard and "
    "seen is measured in the pages.\n",
    {"desk-switch": "development switch", "desk-freeswitch": "FreeSWITCH"},
    tomllib.loads((ROOT / "tests" / "web" / "desk" / "stories" / "ways.toml").read_text())["ways"],
)


def page(kind: Kind, runs: dict[str, dict[str, Any]], stories: list[str], cannot: dict[tuple[str, str], str]) -> str:
    """The page for runs by server."""
    parts = [
        kind.head,
        "| server | version | date | commit, and the tree on it | tests passed |\n|---|---|---|---|---|",
    ]
    for name, title in kind.servers.items():
        run = runs.get(name)
        if run is None:
            parts.append(f"| {title} | not run | | | |")
        else:
            told = (row for row in run["results"].values() if (row["story"], name) not in cannot)
            outcomes = [row["outcome"] for row in told]
            count = f"{outcomes.count('passed')} of {sum(outcome != 'skipped' for outcome in outcomes)}"
            parts.append(f"| {title} | {run['version']} | {run['date']} | {run['commit']} | {count} |")
    titles = [*(["at the desk"] if kind.ways else []), *kind.servers.values()]
    parts.append("\n| story | " + " | ".join(titles) + " |\n|---|" + "---|" * len(titles))
    notes: list[str] = []
    for story in stories:
        cells = [kind.ways[story]] if kind.ways else []
        cells += [cell(runs.get(name), story, cannot.get((story, name)), notes) for name in kind.servers]
        parts.append(f"| {story} | " + " | ".join(cells) + " |")
    if notes:
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
    for kind in (SERVERS, DESKS):
        kind.path.write_text(page(kind, runs, table["stories"], cannot))
        print(f"wrote {kind.path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
