"""The SQLite file of a journal: opened, read, written in one go, set aside where it is damaged.

Write-ahead log with `synchronous=FULL`: what is committed is on the disk, so it outlives the process and the power.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from offhook.errors import ConfigError
from offhook.journal.entries import Changes, Contents, Keep, Kept
from offhook.journal.sealing import NotSealed, Seal

APPLICATION = 0x4F66686B
"""`application_id` of our files."""
VERSION = 1
KEEP_EVENTS, KEEP_SECONDS = 1000, 600.0
"""Of each agent, as its stream holds them: at most so many events, and none older."""
KEEP_CALLS = 10_000
WAL_BYTES = 16 << 20
LONGEST = 1 << 40
"""Octets that the header of a damaged file may claim."""
SIDES = ("", "-wal", "-shm")

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE run (salt BLOB NOT NULL);
CREATE TABLE agent (extension TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, epoch INTEGER NOT NULL, sealed BLOB NOT NULL);
CREATE TABLE event (
    id INTEGER PRIMARY KEY, extension TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, wall REAL NOT NULL,
    sealed BLOB NOT NULL, UNIQUE (extension, stream, seq)
);
CREATE INDEX event_wall ON event (wall);
CREATE TABLE call (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""
_KEEP = """
INSERT INTO agent (extension, owner, epoch, sealed) VALUES (?, ?, ?, ?)
ON CONFLICT (extension) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch, sealed = excluded.sealed
WHERE excluded.epoch > epoch OR (excluded.epoch = epoch AND excluded.owner = owner)
"""
_FORGET = "DELETE FROM agent WHERE extension = ? AND (epoch < ? OR (epoch = ? AND owner = ?))"
_TELL = "INSERT OR REPLACE INTO event (extension, stream, seq, wall, sealed) VALUES (?, ?, ?, ?, ?)"
_CROWD = "SELECT extension FROM event GROUP BY extension HAVING count(*) > ?"
_THIN = """
DELETE FROM event WHERE extension = ?1
AND id <= (SELECT id FROM event WHERE extension = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
"""


class Damaged(Exception):
    """The file is no database, or no longer a whole one."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it says that the file itself is broken; all else may pass by."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Store:
    """An open file. For one thread at a time. Its methods raise `sqlite3.Error` where the disk does not do it."""

    def __init__(self, database: sqlite3.Connection, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self._written = False

    @classmethod
    def open(cls, path: str, seal: Seal) -> Store:
        """The file at `path`, made where it is missing. Raises `Damaged`, `ConfigError` for what is no journal of this
        version or has another key, and `sqlite3.Error` where the disk does not do it."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror or str(error)) from None
        return cls._with(path, seal, new=os.path.getsize(path) == 0)

    @classmethod
    def _with(cls, path: str, seal: Seal, *, new: bool) -> Store:
        database = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
        try:
            # Exclusive before the log is touched: without shared memory, which a full disk may refuse.
            for pragma in ("locking_mode=EXCLUSIVE", "synchronous=FULL", f"journal_size_limit={WAL_BYTES}"):
                database.execute(f"PRAGMA {pragma}")
            if not new:
                _recognise(path, database)
            for pragma in ("journal_mode=WAL", "secure_delete=ON"):
                database.execute(f"PRAGMA {pragma}")
            if new or not _has_tables(database):
                database.executescript(_SCHEMA)
            elif database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise Damaged
            store = cls(database, seal)
            store._check_key(path)
        except sqlite3.Error as error:
            database.close()
            if is_damage(error):
                raise Damaged from None
            raise
        except BaseException:
            database.close()
            raise
        return store

    def _check_key(self, path: str) -> None:
        """What is in the first row of `run` was sealed with the journal's key."""
        row = self._database.execute("SELECT salt FROM run LIMIT 1").fetchone()
        if row is None:
            self._database.execute("INSERT INTO run (salt) VALUES (?)", (self._seal.seal(b"journal", "run"),))
            return
        try:
            self._seal.open(row[0], "run")
        except NotSealed:
            problem = f"{path!r} was written with another key than {path + '.key'!r}"
            remedy = "Put back the key that was made with it, or move both files aside to begin anew"
            raise ConfigError("journal", problem, remedy) from None

    def read(self) -> Contents:
        """All of it, as far as it can be read: of a damaged file, what is left."""
        found = Contents()
        events: dict[str, list[tuple[float, bytes]]] = {}
        latest = "SELECT extension, wall, sealed FROM event WHERE wall >= ? ORDER BY id"
        for extension, wall, sealed in self._rows(found, latest, time.time() - KEEP_SECONDS):
            with self._reading(found):
                opened = self._seal.open(sealed, f"event {extension}")
                events.setdefault(extension, []).append((wall, opened))
        for extension, owner, epoch, sealed in self._rows(found, "SELECT extension, owner, epoch, sealed FROM agent"):
            with self._reading(found):
                record = self._seal.open(sealed, f"agent {extension}")
                tail = tuple(events.get(extension, ())[-KEEP_EVENTS:])
                found.agents.append(Kept(extension, owner, epoch, record, tail))
        for (sealed,) in self._rows(found, "SELECT sealed FROM call ORDER BY id DESC LIMIT ?", KEEP_CALLS):
            with self._reading(found):
                found.calls.append(self._seal.open(sealed, "call"))
        found.calls.reverse()
        return found

    def _rows(self, found: Contents, query: str, *values: float) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(query, values)
        except sqlite3.Error:
            found.lost += 1

    @staticmethod
    @contextlib.contextmanager
    def _reading(found: Contents) -> Iterator[None]:
        try:
            yield
        except (NotSealed, TypeError):  # another type than we write: the row is damaged
            found.lost += 1

    def write(self, changes: Changes) -> set[str]:
        """All of it or nothing, on the disk when it returns. Gives the extensions of records that were not kept: the
        agent is another process's."""
        lost = set()
        run, seal = self._database.execute, self._seal.seal
        run("BEGIN IMMEDIATE")
        try:
            for extension, keeps in changes.agents.items():
                if not all(self._keep(keep) for keep in keeps):
                    lost.add(extension)
            for told in changes.told:
                if told.extension not in lost:
                    sealed = seal(told.event, f"event {told.extension}")
                    run(_TELL, (told.extension, told.stream, told.seq, told.wall, sealed))
            for over in changes.over:
                run("INSERT INTO call (sealed) VALUES (?)", (seal(over.call, "call"),))
            run("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                run("ROLLBACK")
            raise
        self._written = True
        return lost

    def _keep(self, keep: Keep) -> bool:
        if keep.record is not None:
            sealed = self._seal.seal(keep.record, f"agent {keep.extension}")
            return self._database.execute(_KEEP, (keep.extension, keep.owner, keep.epoch, sealed)).rowcount > 0
        values = (keep.extension, keep.epoch, keep.epoch, keep.owner)
        if self._database.execute(_FORGET, values).rowcount > 0:
            self._database.execute("DELETE FROM event WHERE extension = ?", (keep.extension,))
        return True

    def prune(self) -> None:
        """Remove what is too old or too much, and empty the log: nothing that was deleted is left in it."""
        if not self._written:
            return
        run = self._database.execute
        run("BEGIN IMMEDIATE")
        try:
            run("DELETE FROM event WHERE wall < ?", (time.time() - KEEP_SECONDS,))
            for (extension,) in run(_CROWD, (KEEP_EVENTS,)).fetchall():
                run(_THIN, (extension, KEEP_EVENTS))
            run("DELETE FROM call WHERE id <= (SELECT max(id) FROM call) - ?", (KEEP_CALLS,))
            run("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                run("ROLLBACK")
            raise
        run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._written = False

    def close(self) -> None:
        self._database.close()


def _recognise(path: str, database: sqlite3.Connection) -> None:
    """Whether a file is ours, and of this version. Raises `ConfigError`; `sqlite3.Error` for what is no database."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == APPLICATION and version != VERSION:
        problem = f"{path!r} is a journal of version {version}, this Offhook writes {VERSION}"
        raise ConfigError("journal", problem, "Run the Offhook that wrote it, or give another file")
    if application != APPLICATION and tables:
        raise ConfigError("journal", f"{path!r} is a database of another program", "Give another file")


def _has_tables(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


@dataclass(frozen=True, slots=True)
class Opened:
    """A journal as it was found. `store` None: its disk takes nothing now, for the reason `trouble`."""

    store: Store | None
    contents: Contents
    trouble: str = ""
    aside: str = ""
    """Where a damaged file was moved to."""


def open_store(path: str, seal: Seal) -> Opened:
    """Open and read a journal, whatever the disk is like. Raises `ConfigError` where nothing can be read or written."""
    there = os.path.exists(path) and os.path.getsize(path) > 0
    try:
        store = Store.open(path, seal)
    except Damaged:
        contents = _salvage(path, seal)
        aside = set_aside(path)
        try:
            return Opened(_anew(path, seal, contents), contents, aside=aside)
        except (sqlite3.Error, Damaged) as error:
            return Opened(None, contents, str(error), aside)
    except sqlite3.Error as error:
        if not there:
            problem = f"{path!r} cannot be written ({error})"
            raise ConfigError("journal", problem, "Give a file in a directory that Offhook may write to") from None
        return Opened(None, _read_copy(path, seal), str(error))
    return Opened(store, store.read())


def _anew(path: str, seal: Seal, contents: Contents) -> Store:
    store = Store.open(path, seal)
    changes = Changes()
    changes.add(Keep(kept.extension, kept.owner, kept.epoch, kept.record) for kept in contents.agents)
    store.write(changes)
    return store


def set_aside(path: str) -> str:
    """Move a damaged journal out of the way; gives its new name, or nothing where that could not be done."""
    aside = f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    serial = 0
    while os.path.exists(f"{aside}{f'-{serial}' if serial else ''}"):
        serial += 1
    aside += f"-{serial}" if serial else ""
    for side in SIDES:
        with contextlib.suppress(FileNotFoundError):
            os.replace(path + side, aside + side)
    return aside


def _read_copy(path: str, seal: Seal) -> Contents:
    """What is in a journal that cannot be written: SQLite reads its log only where it may write, so a copy is read."""
    try:
        with tempfile.TemporaryDirectory(prefix="offhook-journal-") as folder:
            copy = os.path.join(folder, "journal")
            for side in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(path + side, copy + side)
            try:
                store = Store.open(copy, seal)
            except Damaged:
                return _salvage(copy, seal)
            try:
                return store.read()
            finally:
                store.close()
    except (OSError, sqlite3.Error) as error:
        problem = f"{path!r} can be neither written nor read ({error})"
        raise ConfigError("journal", problem, "Let Offhook read and write it, or move it aside to begin anew") from None


def _salvage(path: str, seal: Seal) -> Contents:
    """What can still be read of a damaged file. What is sealed cannot be read wrongly."""
    _stretch(path)
    database = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    try:
        return Store(database, seal).read()
    finally:
        database.close()


def _stretch(path: str) -> None:
    """A file that was cut gets its length again: of one that is too short SQLite reads nothing."""
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        header = file.read(32)
        length = int.from_bytes(header[16:18], "big") * int.from_bytes(header[28:32], "big")
        if header.startswith(b"SQLite format 3\0") and os.fstat(file.fileno()).st_size < length <= LONGEST:
            file.truncate(length)
