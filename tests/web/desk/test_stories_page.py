"""docs/reference/desk-stories.md has a row for each story of the contract, and something in every cell."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs" / "reference" / "desk-stories.md"
STORIES: list[str] = tomllib.loads((ROOT / "tests" / "scenarios" / "stories" / "cannot.toml").read_text())["stories"]


def test_each_story_has_a_row_and_no_cell_is_empty() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines if line.startswith("| ")}
    for story in STORIES:
        assert story in rows, story
        way, *cells = rows[story]
        assert way.strip() and len(cells) == 2
        for cell in cells:
            assert re.match(r" (pass|fail|cannot, because)\b", cell), f"{story}: {cell}"


def test_each_story_has_a_test_and_a_way() -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in (HERE / "stories").glob("test_*.py"))
    ways = tomllib.loads((HERE / "stories" / "ways.toml").read_text(encoding="utf-8"))["ways"]
    assert sorted(ways) == sorted(STORIES)
    for story in STORIES:
        assert f'pytest.mark.story("{story}")' in told, story
