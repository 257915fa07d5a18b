"""A journal that is in use: one thread writes, what came meanwhile goes out with the next commit."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

from offhook.errors import ConfigError
from offhook.journal.entries import Changes, Contents, Entry, Keep
from offhook.journal.lock import Lock
from offhook.journal.sealing import Seal, read_key
from offhook.journal.store import Damaged, Store, is_damage, open_store, set_aside

logger = logging.getLogger(__name__)

PATIENCE = 0.05
"""Seconds that may pass until something is on the disk; then calls go on without it."""
RETRY_SECONDS = 1.0
"""Between attempts to write to a disk that takes nothing."""
PRUNE_SECONDS = 30.0
CLOSE_SECONDS = 2.0
SAY_SECONDS = 60.0
"""Between lines in the log about a disk that is late now and then."""

Done = Callable[[bool], None]
State = Literal["ok", "late", "failing"]


class Journal:
    """The journal at `path`, opened and locked. Raises `ConfigError` where it cannot be used.

    `take` gives what was in it. After `start`, `write` may be used on the running loop; `lost` is told there of each
    agent whose record another process has taken over.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = Lock(path)
        try:
            self._seal = Seal(read_key(f"{path}.key", make=not _begun(path)))
            opened = open_store(path, self._seal)
        except BaseException:
            self._lock.release()
            raise
        self.unreadable = opened.contents.lost
        """Entries that were damaged when it was opened."""
        self._contents: Contents = opened.contents
        self.commits = self.late = self.failures = 0
        """How many there were; late: outputs that went on before they were on the disk."""
        self.commit_seconds = 0.0
        """That all commits took together."""
        self._store = opened.store
        self._trouble = opened.trouble
        self._stalled = False
        self._said_late = -SAY_SECONDS
        self._renewed = False
        """The file is a new one: it has to be told of all agents."""
        self._waits_since: float | None = None
        """Since when the oldest of what is not on the disk waits."""
        self._news = threading.Condition()
        self._pending = Changes()
        self._waiting: list[tuple[str, Done]] = []
        self._kept: dict[str, Keep] = {}
        """The records that are in the file: a new file is begun with them."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._tell_opening(opened.aside)

    def _tell_opening(self, aside: str) -> None:
        found = self._contents
        if aside:
            logger.error(
                "= the journal was damaged and is now %s; a new one is begun with %d agents and %d calls of the "
                "history that could be read",
                aside,
                len(found.agents),
                len(found.calls),
            )
        elif found.lost:
            logger.error("= %d entries of the journal were damaged, and are lost", found.lost)
        if self._trouble:
            logger.error("= the journal cannot be written: %s; calls go on without it", self._trouble)

    def start(self, lost: Callable[[str], None]) -> None:
        """Begin to write."""
        self._loop = asyncio.get_running_loop()
        self._lost = lost
        self._thread.start()

    def take(self) -> Contents:
        """What was in it; once, so that it is not held."""
        found, self._contents = self._contents, Contents()
        return found

    # What it tells of itself

    @property
    def state(self) -> State:
        """`late`: the disk does not keep up; `failing`: it takes nothing."""
        return "failing" if self._trouble else "late" if self._stalled or self._overdue() else "ok"

    @property
    def trouble(self) -> str:
        """Why it is failing."""
        return self._trouble

    @property
    def dropped(self) -> int:
        """Events, and calls of the history, that waited for a failing disk until they were too many."""
        return self._pending.dropped

    def _overdue(self) -> bool:
        since = self._waits_since
        return since is not None and time.monotonic() - since > PATIENCE

    # On the loop

    def write(self, extension: str, entries: Sequence[Entry], done: Done) -> bool:
        """Put these of an agent on the disk; `done` is told when they are, with whether they were kept (not where it is
        another process's). False: do not wait for that, the disk is in trouble."""
        with self._news:
            self._pending.add(entries)
            self._waiting.append((extension, done))
            waits = self.state == "ok"
            if self._waits_since is None:
                self._waits_since = time.monotonic()
            self._news.notify()
        if not waits:
            self.went_on()
        return waits

    def went_on(self) -> None:
        """Something went on before it was on the disk."""
        self.late += 1
        if not self._stalled:
            self._stalled = True
            if not self._trouble and time.monotonic() - self._said_late >= SAY_SECONDS:
                self._said_late = time.monotonic()
                logger.error("= the journal's disk takes longer than %g ms; calls go on without it", PATIENCE * 1000)

    async def close(self) -> None:
        """Write what waits, at most for `CLOSE_SECONDS`, and free the file."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        if self._thread.is_alive():
            logger.error("= the journal could not be closed in time: its disk is stalled")
            return  # the thread has the file; the process ends soon, and with it the lock
        self.free()

    def free(self) -> None:
        """Let go of a file that nothing is written to."""
        if self._store is not None:
            self._store.close()
        self._lock.release()

    def _release(self, waiting: list[tuple[str, Done]], lost: set[str]) -> None:
        for extension in sorted(lost):
            self._lost(extension)
        for extension, done in waiting:
            done(extension not in lost)

    # On the thread

    def _run(self) -> None:
        pruned = time.monotonic()
        while True:
            with self._news:
                if self._trouble:
                    self._news.wait_for(lambda: self._closing, RETRY_SECONDS)
                elif not self._closing and not self._pending:
                    self._news.wait(PRUNE_SECONDS)
                changes, self._pending = self._pending, Changes(dropped=self._pending.dropped)
                waiting, self._waiting = self._waiting, []
                closing = self._closing
            if changes or self._trouble:
                self._save(changes, waiting)
            if closing:
                return
            if not self._trouble and time.monotonic() - pruned >= PRUNE_SECONDS:
                pruned = time.monotonic()
                self._prune()

    def _save(self, changes: Changes, waiting: list[tuple[str, Done]]) -> None:
        begun = time.monotonic()
        lost: set[str] = set()
        try:
            lost = self._write(changes)
        except (sqlite3.Error, OSError, Damaged, ConfigError) as error:
            self._failed(error, changes)
        else:
            self._saved(changes, lost, time.monotonic() - begun)
        if waiting:
            self._loop.call_soon_threadsafe(self._release, waiting, lost)

    def _write(self, changes: Changes) -> set[str]:
        try:
            return self._write_once(changes)
        except Damaged:
            pass
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
        if self._store is not None:
            self._store.close()
            self._store = None
        aside = set_aside(self._path)
        self._renewed = True
        logger.error("= the journal was damaged and is now %s; a new one is begun with what lives", aside)
        return self._write_once(changes)

    def _write_once(self, changes: Changes) -> set[str]:
        if self._store is None:
            self._store = Store.open(self._path, self._seal)
        if self._renewed:
            whole = Changes()
            whole.add(self._kept.values())
            whole.follow(changes)
            changes = whole
        lost = self._store.write(changes)
        self._renewed = False
        return lost

    def _saved(self, changes: Changes, lost: set[str], seconds: float) -> None:
        for extension, keeps in changes.agents.items():
            if keeps[-1].record is None or extension in lost:
                self._kept.pop(extension, None)
            else:
                self._kept[extension] = keeps[-1]
        self.commits += 1
        self.commit_seconds += seconds
        if self._trouble:
            logger.warning("= the journal can be written again")
            self._trouble = ""
        with self._news:
            self._waits_since = time.monotonic() if self._pending else None
            if seconds <= PATIENCE:
                self._stalled = False

    def _failed(self, error: Exception, changes: Changes) -> None:
        """Calls go on; what was to be written is kept for the next attempt."""
        self.failures += 1
        if not self._trouble:
            logger.error("= the journal cannot be written: %s; calls go on without it", error or "it is damaged")
        self._trouble = str(error) or "it is damaged"
        with self._news:
            changes.follow(self._pending)
            self._pending = changes
            self._waits_since = None

    def _prune(self) -> None:
        try:
            if self._store is not None:
                self._store.prune()
        except sqlite3.Error as error:  # the next thing that is written shows whether it matters
            self.failures += 1
            logger.warning("= the journal cannot be pruned: %s", error)


def _begun(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except FileNotFoundError:
        return False
    except OSError:
        return True
