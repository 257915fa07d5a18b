"""How a pure node says that outputs have to wait until something is on the disk: a type alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ordered:
    """Outputs of `key` (an agent): performed in their order once `entries` are on the disk."""

    key: str = field(repr=False)
    entries: tuple[Any, ...]
    outputs: tuple[Any, ...]
