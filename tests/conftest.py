"""For all tests: what desks are told is held against the contract; hypothesis looks at the same examples each time.

Every message that is encoded here or that a desk of `offhook.testing.desk` receives, and every command that is
accepted, is seen by a `Witness`; what is wrong with it fails the test that saw it. `@pytest.mark.foreign`: what desks
hear in this test was not said by a gateway of ours.

A run of the suite is to say whether a change broke something; looking for what nobody has seen yet is a run of its own:
OFFHOOK_EXAMPLES=2000 python -m pytest tests/sip/test_properties.py tests/testing tests/cti
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from offhook.testing.witness import Witness

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fresh", deadline=None, max_examples=int(os.environ.get("OFFHOOK_EXAMPLES", "100")))
settings.load_profile("fresh" if "OFFHOOK_EXAMPLES" in os.environ else "same")

# At once, because test files take `decode_command` by name.
WITNESS = Witness()
WITNESS.install()


@pytest.fixture
def suite_witness() -> Witness:
    """The one that sees this suite."""
    return WITNESS


LENGTHY = (
    "doctor/",
    "gateway/test_hostile.py",
    "api/test_several.py",
    "journal/test_disks.py",
    "media/test_video",
    "testing/test_simulation",
)
"""What takes its time in `make test` alone, by the beginning of its path."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and str(item.path.relative_to(here)).startswith(LENGTHY):
            item.add_marker(pytest.mark.lengthy)


def _judge(item: pytest.Item) -> None:
    wrong = WITNESS.violations()
    if wrong and item.get_closest_marker("foreign") is None:
        pytest.fail("against the contract:\n  " + "\n  ".join(wrong), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    yield
    _judge(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    yield
    _judge(item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many steps of random courses were counted (tests/cti/test_properties.py), in all workers."""
    passed = terminalreporter.getreports("passed")
    steps = sum(int(value) for report in passed for name, value in report.user_properties if name == "steps")
    if steps:
        terminalreporter.write_line(f"{steps} steps of random courses")
