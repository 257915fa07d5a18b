"""Many seeds of the simulation, one process each, until so many agent-hours are done. It may be stopped and goes on.

    python -m offhook.testing.simulation_soak --hours 10000 --state build/soak/simulation.json

What is done stands in the state file; the story of each failure is beside it, `seed-<number>.txt`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FIRST_SEED = 1_000_000


class Soak:
    """What has been done: read from `state` if that is there, written after each seed."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.seed = FIRST_SEED
        """The next one."""
        self.hours = 0.0
        self.cpu_seconds = 0.0
        self.broken: list[int] = []
        if state.exists():
            kept = json.loads(state.read_text())
            self.seed, self.hours = kept["seed"], kept["agent_hours"]
            self.cpu_seconds, self.broken = kept["cpu_seconds"], kept["broken"]
        self._open: list[int] = []
        """Seeds that run; the state names the first of them as the next, so that a stop loses none."""

    def begin(self) -> int:
        seed, self.seed = self.seed, self.seed + 1
        self._open.append(seed)
        return seed

    def ended(self, seed: int, output: str) -> None:
        """What the process of a seed printed; its last line is JSON, or it died."""
        self._open.remove(seed)
        told = _last_line(output)
        self.hours += told.get("agent_hours", 0.0)
        self.cpu_seconds += told.get("cpu_seconds", 0.0)
        if told.get("broken", "it died"):
            self.broken.append(seed)
            self._state.parent.mkdir(parents=True, exist_ok=True)
            (self._state.parent / f"seed-{seed}.txt").write_text(output)
        self._write()

    def _write(self) -> None:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "seed": min([self.seed, *self._open]),
            "agent_hours": round(self.hours, 3),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "broken": self.broken,
        }
        whole = self._state.with_suffix(".new")
        whole.write_text(json.dumps(kept))
        os.replace(whole, self._state)

    def line(self) -> str:
        rate = self.hours * 60 / max(self.cpu_seconds, 0.01)
        broken = f"broken promises in seeds {self.broken}" if self.broken else "no broken promise"
        return f"{self.hours:.0f} agent-hours, {rate:.0f} a CPU-minute, {broken}"


def _last_line(output: str) -> dict[str, Any]:
    try:
        told = json.loads(output.strip().rpartition("\n")[2])
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _start(seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "offhook.testing.simulation", "--seed", str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m offhook.testing.simulation_soak", description="Many seeds.")
    parser.add_argument("--hours", type=float, default=10_000.0, help="agent-hours in all, with those done before")
    parser.add_argument("--state", type=Path, default=Path("build/soak/simulation.json"))
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    soak = Soak(given.state)
    running: list[tuple[int, subprocess.Popen[str]]] = []
    try:
        while soak.hours < given.hours:
            while len(running) < given.processes:
                seed = soak.begin()
                running.append((seed, _start(seed)))
            seed, process = running.pop(0)
            soak.ended(seed, process.communicate()[0])
            print(soak.line(), flush=True)
    except KeyboardInterrupt:
        print("stopped; it goes on from there")
    finally:
        for _, process in running:
            process.kill()
            process.communicate()
    return 1 if soak.broken else 0


if __name__ == "__main__":
    sys.exit(main())
