"""Run a target under atheris: python fuzz/run.py TARGET [options of libFuzzer] [corpus folders]

    python fuzz/run.py parse -runs=1000000 -dict=fuzz/sip.dict build/fuzz/parse
    python fuzz/run.py parse build/fuzz/parse/crash-...          (once more, what was found)

Targets: parse, describe, agent. The corpus folder is made, with its seeds, where it is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

TARGETS = ("parse", "describe", "agent")


def target(name: str) -> Callable[[bytes], None]:
    """The function, imported so that atheris sees every branch of the package."""
    with atheris.instrument_imports(include=["offhook"], enable_loader_override=False):
        if name == "agent":
            import agent_target

            return agent_target.agent
        import targets

        return targets.parse if name == "parse" else targets.describe


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[1] not in TARGETS:
        print(__doc__)
        return 2
    name = arguments.pop(1)
    function = target(name)
    import seeds

    for argument in arguments[1:]:
        folder = Path(argument)
        if not argument.startswith("-") and not folder.is_file():
            seeds.write(name, folder)
    atheris.Setup(arguments, function)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
