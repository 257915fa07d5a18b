"""docs/reference/stories.md has a row for each story of the contract, and something in every cell."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from offhook.cti import commands

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "stories.md").read_text()
STORIES: list[str] = tomllib.loads((ROOT / "tests" / "scenarios" / "stories" / "cannot.toml").read_text())["stories"]


def test_each_story_has_a_row_and_no_cell_is_empty() -> None:
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in PAGE.splitlines() if line.startswith("| ")}
    for story in STORIES:
        assert story in rows, story
        assert len(rows[story]) == 4
        for cell in rows[story]:
            assert re.match(r" (pass|fail|cannot, because)\b", cell), f"{story}: {cell}"


def test_the_rows_of_the_contract_are_all_there() -> None:
    numbered = [story for story in STORIES if story[0].isdigit()]
    assert [int(story[:2]) for story in numbered] == list(range(1, 22))
    names = {str(command.__struct_config__.tag) for command in commands.Command.__args__}
    unknown = {story[3:] for story in numbered} - names
    assert unknown == {"Click To Call"}


def test_every_reason_is_there_and_every_story_has_a_test() -> None:
    told = "".join(path.read_text() for path in (ROOT / "tests" / "scenarios").rglob("test_*.py"))
    for story in STORIES:
        assert f'pytest.mark.story("{story}")' in told, story
    for number in re.findall(r"(?:because|fail) \((\d+)\)", PAGE):
        assert re.search(rf"^{number}\. \S", PAGE, re.MULTILINE)
