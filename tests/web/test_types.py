"""The types in the comments of the pages' modules, by TypeScript's compiler; and that `Agent` fits the declarations."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_modules_and_the_declarations_fit() -> None:
    """types/fits.ts is a program on `Agent` with mistakes in it that must be seen; docs/reference/offhook.d.ts is what
    the schema gives."""
    command = [str(ROOT / "tools" / "tsc"), "-p", str(ROOT / "tests" / "web" / "types")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if checked.returncode == 77:
        pytest.skip(checked.stderr.strip().splitlines()[-1])
    assert checked.returncode == 0, checked.stdout + checked.stderr
