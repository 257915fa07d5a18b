"""The rules of the house, as code: who may import whom, what is pure, how large things may grow, what mirrors what.

The table is that of docs/explanation/architecture.md.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "offhook"
TESTS = ROOT / "tests"

IMPURE = {"asyncio", "socket", "ssl", "time", "random", "secrets", "uuid", "os", "threading", "subprocess", "select"}

MAX_FILE, MAX_FUNCTION, MAX_ATTRIBUTES = 750, 60, 25

# Folder or file (longest match wins) -> what it may import of offhook, which third parties, whether it is pure.
RULES: dict[str, tuple[set[str], set[str], bool]] = {
    "errors": (set(), set(), True),
    "clock": (set(), set(), True),
    "sip": ({"errors", "clock", "sip"}, set(), True),
    "media": ({"errors", "clock", "media"}, {"numpy", "av", "opuslib_next"}, False),
    "media.__init__": (set(), set(), True),
    "media.engine": ({"errors"}, {"numpy"}, True),
    "media.sdp": ({"errors", "media.engine"}, set(), True),
    "media.description": ({"errors", "media.engine", "media.sdp"}, set(), True),
    "media.negotiation": ({"errors", "media.engine", "media.sdp", "media.description"}, set(), True),
    "media.null": (
        {"errors", "clock", "media.engine", "media.sdp", "media.description", "media.negotiation", "media.dtmf"},
        set(),
        True,
    ),
    "media.dtmf": ({"errors"}, set(), True),
    "media.audio": ({"errors"}, {"numpy"}, True),
    "media.rtp": ({"errors", "clock"}, set(), True),
    "media.jitter": ({"errors", "clock", "media"}, {"numpy"}, True),
    "media.concealment": ({"errors", "media"}, {"numpy"}, True),
    "media.quality": (set(), set(), True),
    "media.vp8": ({"errors", "media"}, set(), True),
    "media.feedback": ({"errors", "media"}, set(), True),
    "media.picture": (set(), {"numpy"}, True),
    "media.video_relay": ({"media"}, set(), True),
    "media.webrtc": (
        {"errors", "clock", "media"},
        {"aiortc", "aioice", "pylibsrtp", "OpenSSL", "cryptography"},
        False,
    ),
    "cti": ({"errors", "clock", "sip", "media.engine", "media.sdp", "cti"}, {"msgspec"}, True),
    "transport": ({"errors", "clock", "sip", "transport"}, {"aiohttp", "cryptography", "dns"}, False),
    "ordered": (set(), set(), True),
    "driver": ({"errors", "clock", "ordered"}, set(), False),
    "journal": ({"errors", "journal"}, {"cryptography"}, False),
    "journal.entries": (set(), set(), True),
    "config": ({"errors", "cti", "media.engine", "sip"}, set(), False),
    "gateway": (
        {"errors", "clock", "config", "cti", "media", "sip", "driver", "journal", "transport", "gateway"},
        {"aiohttp", "msgspec"},
        False,
    ),
    "gateway.sessions": (
        {"errors", "clock", "cti", "media.engine", "sip", "gateway.interface", "gateway.page"}
        | {
            f"gateway.{part}"
            for part in ("desks", "history", "keeping", "logins", "rates", "reports", "resources", "routes")
        },
        {"msgspec"},
        True,
    ),
    "gateway.desks": ({"clock", "cti", "gateway.interface", "gateway.turns"}, set(), True),
    "gateway.logins": (
        {"clock", "cti"} | {f"gateway.{part}" for part in ("admission", "desks", "interface", "keeping", "passes")},
        {"msgspec"},
        True,
    ),
    "gateway.keeping": (
        {"clock", "cti", "gateway.desks", "gateway.history", "gateway.resources", "journal.entries", "ordered"},
        {"msgspec"},
        True,
    ),
    "gateway.routes": ({"errors", "media.engine", "sip.flow"}, set(), True),
    "gateway.admission": ({"clock", "cti", "gateway.interface", "gateway.rates"}, set(), True),
    "gateway.passes": ({"clock", "cti", "gateway.interface"}, set(), True),
    "gateway.reports": ({"clock", "gateway.rates"}, {"msgspec"}, True),
    "gateway.rates": ({"clock"}, set(), True),
    "gateway.addresses": (set(), set(), True),
    "gateway.resources": ({"cti.events"}, {"msgspec"}, True),
    "gateway.history": ({"cti.events", "gateway.resources"}, {"msgspec"}, True),
    "gateway.openapi": ({"gateway.resources"}, {"msgspec"}, True),
    "gateway.auth": ({"config", "errors", "gateway.interface"}, {"jwt", "cryptography"}, False),
    "gateway.metrics": ({"config", "cti", "gateway", "journal"}, {"aiohttp", "prometheus_client"}, False),
    "gateway.turns": ({"clock", "gateway.interface"}, set(), True),
    "gateway.interface": (
        {"errors", "cti", "media.engine", "sip", "gateway.ice", "journal.entries", "ordered"},
        set(),
        True,
    ),
    "gateway.ice": ({"clock"}, set(), True),
    "gateway.descriptions": ({"errors", "media.engine", "media.sdp"}, set(), True),
    "gateway.page": (
        {"errors", "clock", "media.engine", "gateway.descriptions", "gateway.ice", "gateway.interface"},
        {"msgspec"},
        True,
    ),
    "api": (
        {"errors", "clock", "config", "cti", "gateway", "media", "sip", "driver", "transport", "api"},
        {"msgspec"},
        False,
    ),
    "doctor": (
        {"errors", "clock", "config", "cti", "gateway", "media", "sip", "driver", "transport", "doctor"},
        set(),
        False,
    ),
    "doctor.findings": ({"errors"}, set(), True),
    "doctor.remedies": (set(), set(), True),
    "doctor.report": ({"doctor.findings"}, set(), True),
    "doctor.hearing": ({"media"}, {"numpy"}, True),
    "switch": ({"errors", "clock", "sip", "media", "switch"}, set(), True),
    "switch.server": (
        {"errors", "clock", "sip", "media", "driver", "transport", "switch"},
        {"aiohttp", "cryptography"},
        False,
    ),
    "testing.witness": ({"*"}, {"jsonschema_rs"}, False),
    "testing": ({"*"}, {"aiohttp", "pytest", "numpy", "msgspec"}, False),
    "cli": ({"*"}, {"aiohttp", "numpy", "msgspec"}, False),
    "cli.windows": ({"config", "gateway"}, {"aiohttp", "jwt", "playwright"}, False),
    "__init__": ({"api", "errors"}, set(), False),
    "__main__": ({"cli"}, set(), False),
}

BAD_WORDS = ("manager", "helper", "util", "impl", "misc", "common")

# Source files without a test file of the same name, with the reason.
UNMIRRORED: dict[str, str] = {
    "sip/events.py": "types alone; every test of the user agent uses them",
    "sip/flow.py": "types alone",
    "media/engine.py": "types alone; the engines' contract tests use them",
    "gateway/interface.py": "types alone; every test of the hub uses them",
    "gateway/resources.py": "types alone; the tests of REST use them",
    "ordered.py": "a type alone; the tests of the driver use it",
    "__main__.py": "one line; tests/cli runs it",
}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def rule_of(module: str) -> tuple[set[str], set[str], bool]:
    name = module
    while name:
        if name in RULES:
            return RULES[name]
        name = name.rpartition(".")[0]
    raise AssertionError(f"no import rule for {module}: add it to the table, here and in the docs")


def imports_of(tree: ast.Module, module: str) -> Iterator[tuple[str, int]]:
    """Every imported module by its dotted name; `from offhook.a import b` is offhook.a.b where that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import"
            base = node.module or ""
            for alias in node.names:
                dotted = f"{base}.{alias.name}"
                inside = PACKAGE.joinpath(*dotted.split(".")[1:])
                yes = base.startswith("offhook") and (inside.with_suffix(".py").exists() or inside.is_dir())
                yield (dotted if yes else base), node.lineno


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_imports(path: Path) -> None:
    module = module_of(path)
    inside, third_party, pure = rule_of(module)
    for name, line in imports_of(ast.parse(path.read_text()), module):
        top = name.partition(".")[0]
        where = f"{module}:{line} imports {name}"
        if top == "offhook":
            target = name.removeprefix("offhook").lstrip(".")
            allowed = "*" in inside or any(target == a or target.startswith(a + ".") for a in inside) or not target
            assert allowed, f"{where}; it may import {sorted(inside)}"
            assert not target.startswith("cli") or module.startswith(("cli", "__main__")), (
                f"{where}: nothing imports cli"
            )
        elif top in sys.stdlib_module_names:
            assert not (pure and top in IMPURE), f"{where}, but it is pure: time, chance and I/O come in as arguments"
        else:
            assert top in third_party, f"{where}; of third parties it may import {sorted(third_party)}"


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_no_clock_in_pure_code(path: Path) -> None:
    if not rule_of(module_of(path))[2]:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            assert owner not in ("datetime", "date"), f"{path}:{node.lineno}: pure code takes `now` as an argument"


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_sizes(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= MAX_FILE, f"{path} has {lines} lines, {MAX_FILE} are the most"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{path}:{node.lineno} {node.name} has {length} lines"
        elif isinstance(node, ast.ClassDef):
            names = {
                target.attr
                for sub in ast.walk(node)
                if isinstance(sub, ast.Assign | ast.AnnAssign)
                for target in (sub.targets if isinstance(sub, ast.Assign) else [sub.target])
                if isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
            }
            assert len(names) <= MAX_ATTRIBUTES, f"{path}:{node.lineno} {node.name} has {len(names)} attributes"


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_names(path: Path) -> None:
    assert path.stem not in sys.stdlib_module_names, f"{path} is named like a module of the standard library"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            bad = [word for word in BAD_WORDS if word in node.name.lower()]
            assert not bad, f"{path}:{node.lineno}: {node.name} says nothing; name what it is"


def test_every_source_file_has_its_test_file() -> None:
    missing = []
    for path in sources():
        relative = path.relative_to(PACKAGE)
        if path.name == "__init__.py" or str(relative) in UNMIRRORED:
            continue
        if not (TESTS / relative.parent / f"test_{relative.name}").exists():
            missing.append(str(relative))
    assert not missing, f"without a test file of their own: {missing}"


def test_every_pure_folder_says_so() -> None:
    for folder in ("sip", "cti", "switch"):
        doc = ast.get_docstring(ast.parse((PACKAGE / folder / "__init__.py").read_text())) or ""
        assert "no i/o" in doc.lower() or "without i/o" in doc.lower(), (
            f"{folder}/__init__.py: say that there is no I/O"
        )
