"""A journal in use: what is written is written before it is said, and a disk in trouble ends nothing."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from offhook.errors import ConfigError
from offhook.journal import writer
from offhook.journal.entries import Changes, Entry, Keep, Kept, Over, Told
from offhook.journal.sealing import Seal
from offhook.journal.store import Store
from offhook.journal.writer import Journal
from offhook.testing.desk import until
from offhook.testing.record import Record

FULL = sqlite3.OperationalError("database or disk is full")


@asynccontextmanager
async def running(path: Path, lost: Callable[[str], None] = lambda extension: None) -> AsyncIterator[Journal]:
    journal = Journal(str(path))
    journal.start(lost)
    try:
        yield journal
    finally:
        await journal.close()


def agents_in(path: Path) -> dict[str, Kept]:
    journal = Journal(str(path))
    found = {kept.extension: kept for kept in journal.take().agents}
    assert journal.take().agents == []
    journal.free()
    return found


async def written(journal: Journal, *entries: Entry, extension: str = "1000") -> bool:
    """Write, and wait until it is on the disk; whether it was kept."""
    done: Record[bool] = Record()
    journal.write(extension, entries, done.append)
    await done.reach(1)
    return done[0]


class Disk:
    """Stands before `Store.write`: takes nothing while it has a `fault`, and waits while it is `stalled`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: Exception | None = None
        self.moves = threading.Event()
        self.moves.set()
        self.asked = threading.Semaphore(0)
        real = Store.write

        def write(store: Store, changes: Changes) -> set[str]:
            self.asked.release()
            assert self.moves.wait(20)
            if self.fault is not None:
                raise self.fault
            return real(store, changes)

        monkeypatch.setattr(Store, "write", write)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.01)
    return Disk(monkeypatch)


async def test_what_was_written_is_there_for_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with running(path) as journal:
        assert journal.state == "ok"
        assert await written(journal, Keep("1000", "p", 0, b"a"), Told("1000", "s", 1, 4e9, b"e"), Over(b"c"))
        assert journal.commits == 1 and journal.commit_seconds > 0
        journal.write("1000", [Keep("1000", "p", 0, b"b")], lambda kept: None)
        # not waited for: it is written when it is closed
    kept = agents_in(path)["1000"]
    assert (kept.record, kept.events) == (b"b", ((4e9, b"e"),))


async def test_what_comes_together_is_committed_together(tmp_path: Path, disk: Disk) -> None:
    async with running(tmp_path / "journal") as journal:
        disk.moves.clear()
        done: Record[bool] = Record()
        for number in range(100):
            journal.write(str(number), [Keep(str(number), "p", 0, b"a")], done.append)
        disk.moves.set()
        await done.reach(100)
        assert all(done) and journal.commits <= 2


async def test_two_processes(tmp_path: Path) -> None:
    async with running(tmp_path / "journal"):
        with pytest.raises(ConfigError, match="in use by another process"):
            Journal(str(tmp_path / "journal"))


async def test_a_journal_that_is_refused_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with running(path):
        pass
    path.with_name("journal.key").chmod(0o644)
    with pytest.raises(ConfigError, match="Run: chmod 600"):
        Journal(str(path))
    path.with_name("journal.key").unlink()
    for _ in range(2):
        with pytest.raises(ConfigError, match="its key .* is missing"):
            Journal(str(path))
    assert not path.with_name("journal.key").exists()


async def test_an_agent_that_is_another_process_s(tmp_path: Path) -> None:
    lost: list[str] = []
    async with running(tmp_path / "journal", lost.append) as journal:
        assert await written(journal, Keep("1000", "p", 5, b"theirs"))
        assert not await written(journal, Keep("1000", "q", 4, b"ours"))
        assert lost == ["1000"]
        done: Record[bool] = Record()
        journal.write("1000", [Keep("1000", "q", 4, b"ours")], done.append)
        assert await written(journal, Keep("2000", "q", 0, b"x"), extension="2000")
        await done.reach(1)
        assert done == [False]


# Disks


async def test_a_full_disk_ends_nothing_and_is_told(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal"
    async with running(path) as journal:
        disk.fault = FULL
        assert await written(journal, Keep("1000", "p", 0, b"a"), Told("1000", "s", 1, 4e9, b"1"))
        assert journal.state == "failing" and journal.trouble == str(FULL)
        before = journal.late
        assert journal.write("1000", [Told("1000", "s", 2, 4e9, b"2")], lambda kept: None) is False
        assert journal.late == before + 1

        async def tried() -> bool:
            return journal.failures >= 3

        await until(tried, "three attempts")
        disk.fault = None

        async def works() -> bool:
            return journal.state == "ok"

        await until(works, "a journal that works again")
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [
        "= the journal cannot be written: database or disk is full; calls go on without it",
        "= the journal can be written again",
    ]
    kept = agents_in(path)["1000"]
    assert kept.record == b"a" and [event for _, event in kept.events] == [b"1", b"2"]


async def test_a_stalled_disk_is_not_waited_for(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.0)
    async with running(tmp_path / "journal") as journal:
        done: Record[bool] = Record()
        disk.moves.clear()
        assert journal.write("1000", [Keep("1000", "p", 0, b"a")], done.append)
        assert not journal.write("1000", [Keep("1000", "p", 0, b"b")], done.append)
        assert not journal.write("2000", [Keep("2000", "p", 0, b"b")], done.append)
        assert journal.state == "late" and journal.late == 2 and not done
        monkeypatch.setattr(writer, "PATIENCE", 10.0)
        disk.moves.set()
        await done.reach(3)
        assert journal.write("1000", [Keep("1000", "p", 0, b"c")], done.append)
    assert sum("takes longer than" in record.message for record in caplog.records) == 1


async def test_a_disk_that_hangs_does_not_keep_a_process_from_ending(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "CLOSE_SECONDS", 0.05)
    journal = Journal(str(tmp_path / "journal"))
    journal.start(lambda extension: None)
    disk.moves.clear()
    journal.write("1000", [Keep("1000", "p", 0, b"a")], lambda kept: None)
    await journal.close()
    assert "could not be closed in time" in caplog.text
    disk.moves.set()
    journal._thread.join(10)
    journal.free()


async def test_a_journal_that_breaks_while_it_is_used_is_begun_anew_with_what_lives(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal"
    async with running(path) as journal:
        assert await written(journal, Keep("1000", "p", 0, b"a"), Told("1000", "s", 1, 4e9, b"1"))
        assert await written(journal, Keep("2000", "p", 0, b"b"), extension="2000")
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        disk.fault = error
        assert await written(journal, Keep("1000", "p", 0, b"c"), Told("1000", "s", 2, 4e9, b"2"))
        assert journal.state == "failing"
        disk.fault = None

        async def works() -> bool:
            return journal.state == "ok"

        await until(works, "a journal that works again")
    assert "was damaged and is now" in caplog.text
    found = agents_in(path)
    assert {name: kept.record for name, kept in found.items()} == {"1000": b"c", "2000": b"b"}
    assert [event for _, event in found["1000"].events] == [b"2"]


async def test_a_disk_that_can_only_be_read_gives_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.01)
    path = tmp_path / "journal"
    async with running(path) as journal:
        assert await written(journal, Keep("1000", "p", 0, b"a"))
    real, readonly = Store.open, [True]

    def open_it(where: str, seal: Seal) -> Store:
        if readonly and where == str(path):
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return real(where, seal)

    monkeypatch.setattr(Store, "open", open_it)
    async with running(path) as journal:
        assert [kept.record for kept in journal.take().agents] == [b"a"]
        assert journal.state == "failing" and "attempt to write a readonly database" in caplog.text
        assert not journal.write("1000", [Keep("1000", "q", 1, b"b")], lambda kept: None)
        readonly.clear()

        async def works() -> bool:
            return journal.state == "ok"

        await until(works, "a journal that works again")
    assert agents_in(path)["1000"].record == b"b"


async def test_damage_that_is_found_at_the_start_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal"
    async with running(path) as journal:
        await written(journal, Keep("1000", "p", 0, b"a"))
    path.write_bytes(b"rubbish" * 1000)
    async with running(path) as journal:
        assert journal.take().agents == [] and journal.state == "ok" and journal.unreadable > 0
    assert "was damaged and is now" in caplog.text and "begun with 0 agents" in caplog.text


async def test_it_is_pruned_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pruned = threading.Semaphore(0)
    real = Store.prune

    def prune(store: Store) -> None:
        real(store)
        pruned.release()
        raise sqlite3.OperationalError("once")

    monkeypatch.setattr(writer, "PRUNE_SECONDS", 0.0)
    monkeypatch.setattr(Store, "prune", prune)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(running(tmp_path / "journal"))
        assert await written(journal, Told("1000", "s", 1, 0.0, b"old"))
        assert await asyncio.to_thread(pruned.acquire, timeout=10)
        assert await written(journal, Keep("1000", "p", 0, b"a"))
        assert journal.state == "ok"
    assert agents_in(tmp_path / "journal")["1000"].events == ()
