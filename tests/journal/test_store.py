"""The file: what is written is read again, what is damaged is set aside, what is none of ours is left alone."""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from offhook.errors import ConfigError
from offhook.journal import store as module
from offhook.journal.entries import Changes, Entry, Keep, Kept, Over, Told
from offhook.journal.sealing import Seal
from offhook.journal.store import VERSION, Damaged, Store, is_damage, open_store, set_aside

KEY = bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


def opened(path: str, key: bytes = KEY) -> Store:
    found = open_store(path, Seal(key))
    assert found.store is not None and not found.trouble
    return found.store


def write(store: Store, *entries: Entry) -> set[str]:
    changes = Changes()
    changes.add(entries)
    return store.write(changes)


def told(numbers: Iterable[int], extension: str = "1000", wall: float | None = None) -> list[Told]:
    return [Told(extension, "s", seq, time.time() if wall is None else wall, b"event %d" % seq) for seq in numbers]


def filled(path: str) -> None:
    """A journal of 50 agents with ten events each."""
    store = opened(path)
    entries: list[Entry] = [Over(b"call")]
    for extension in map(str, range(1000, 1050)):
        entries += [Keep(extension, "p", 0, b"record " * 200), *told(range(10), extension)]
    write(store, *entries)
    store.close()


def test_what_is_written_is_there_for_the_next_process(path: str) -> None:
    store = opened(path)
    assert write(store, Keep("1000", "p", 0, b"one"), *told([1, 2]), Over(b"first"), Over(b"second")) == set()
    store.close()
    found = open_store(path, Seal(KEY)).contents
    (agent,) = found.agents
    assert agent == Kept("1000", "p", 0, b"one", agent.events)
    assert [event for _, event in agent.events] == [b"event 1", b"event 2"]
    assert found.calls == [b"first", b"second"] and found.lost == 0


def test_nothing_in_the_file_can_be_read_without_the_key(path: str, tmp_path: Path) -> None:
    store = opened(path)
    write(
        store, Keep("1000", "p", 0, b"HA1-of-1000"), Told("1000", "s", 1, time.time(), b"4917612345678"), Over(b"0049")
    )
    octets = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"HA1-of" not in octets and b"49176" not in octets and b"0049" not in octets
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    store.close()


def test_a_logout_leaves_nothing_of_the_agent(path: str, tmp_path: Path) -> None:
    seal = Seal(KEY)
    store = Store.open(path, seal)
    write(store, Keep("1000", "p", 0, b"one"), *told([1]))
    row = sqlite3_row(store)
    write(store, Keep("1000", "p", 0, None))
    store.prune()
    assert row not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    found = store.read()
    assert found.agents == [] and found.lost == 0
    store.close()


def sqlite3_row(store: Store) -> bytes:
    (sealed,) = store._database.execute("SELECT sealed FROM agent").fetchone()
    assert isinstance(sealed, bytes)
    return sealed


def test_a_process_that_has_lost_an_agent_keeps_nothing_of_it(path: str) -> None:
    store = opened(path)
    assert write(store, Keep("1000", "new", 4, b"new")) == set()
    assert write(store, Keep("1000", "old", 3, b"old"), *told([9]), Keep("2000", "old", 0, b"x")) == {"1000"}
    assert write(store, Keep("1000", "old", 4, b"old")) == {"1000"}
    assert write(store, Keep("1000", "old", 3, None)) == set()
    assert write(store, Keep("1000", "new", 4, b"newer")) == set()
    agents = {agent.extension: agent for agent in store.read().agents}
    assert agents["1000"].record == b"newer" and agents["1000"].events == () and "2000" in agents
    assert write(store, Keep("1000", "newest", 5, b"newest")) == set()
    store.close()


def test_it_stays_small(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_EVENTS", 10)
    monkeypatch.setattr(module, "KEEP_CALLS", 3)
    store = opened(path)
    write(store, Keep("1000", "p", 0, b"a"), *told([1, 2], wall=time.time() - 601), *told(range(3, 40)))
    write(store, Keep("2000", "p", 0, b"b"), *told(range(4), "2000"), *(Over(b"%d" % number) for number in range(9)))
    store.prune()
    store.prune()
    agents = {agent.extension: agent for agent in store.read().agents}
    assert [event for _, event in agents["1000"].events] == [b"event %d" % seq for seq in range(30, 40)]
    assert len(agents["2000"].events) == 4
    assert store.read().calls == [b"6", b"7", b"8"]
    (rows,) = store._database.execute("SELECT count(*) FROM event").fetchone()
    assert rows == 14
    store.close()


def test_a_failed_write_leaves_nothing_behind(path: str) -> None:
    store = opened(path)
    write(store, Keep("1000", "p", 0, b"a"))
    (pages,) = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full") as error:
        write(store, Keep("2000", "p", 0, b"b" * 100_000), *told([1], "2000"))
    assert not is_damage(error.value)
    store._database.execute("PRAGMA max_page_count = 100000")
    assert write(store, Keep("3000", "p", 0, b"c")) == set()
    assert [agent.extension for agent in store.read().agents] == ["1000", "3000"]
    store.close()


# What a file may be


def test_another_version_another_program_and_another_key_are_refused(path: str, tmp_path: Path) -> None:
    filled(path)
    with pytest.raises(ConfigError, match="was written with another key than .*Put back the key that was made with it"):
        open_store(path, Seal(bytes([1]) * 32))
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(ConfigError, match=f"is a journal of version {VERSION + 1}, this Offhook writes {VERSION}"):
        open_store(path, Seal(KEY))
    foreign = str(tmp_path / "foreign")
    database = sqlite3.connect(foreign)
    database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(ConfigError, match="is a database of another program"):
        open_store(foreign, Seal(KEY))
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_a_file_that_was_begun_and_no_more(path: str) -> None:
    """Killed between the first octet and the tables."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    opened(path).close()
    filled(path)


@pytest.mark.parametrize("rubbish", [b"no database " * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_rubbish_is_set_aside(path: str, rubbish: bytes, tmp_path: Path) -> None:
    Path(path).write_bytes(rubbish)
    found = open_store(path, Seal(KEY))
    assert found.store is not None and found.contents.agents == []
    assert Path(found.aside).read_bytes()[:12] == rubbish[:12]
    write(found.store, Keep("1000", "p", 0, b"a"))
    found.store.close()
    assert len(open_store(path, Seal(KEY)).contents.agents) == 1


def test_of_a_truncated_journal_what_is_left_is_read(path: str) -> None:
    filled(path)
    size = Path(path).stat().st_size
    with open(path, "r+b") as file:
        file.truncate(size * 2 // 3 // 4096 * 4096)
    found = open_store(path, Seal(KEY))
    assert found.aside and found.store is not None
    assert 0 < len(found.contents.agents) <= 50 and found.contents.lost > 0
    assert all(agent.record == b"record " * 200 for agent in found.contents.agents)
    found.store.close()
    again = open_store(path, Seal(KEY))
    assert not again.aside and len(again.contents.agents) == len(found.contents.agents)


def test_damaged_rows_cost_themselves_alone(path: str) -> None:
    filled(path)
    octets = bytearray(Path(path).read_bytes())
    database = sqlite3.connect(path)
    (sealed,) = database.execute("SELECT sealed FROM agent WHERE extension = '1007'").fetchone()
    database.close()
    where = octets.index(sealed[:200])
    octets[where + 100] ^= 0xFF
    Path(path).write_bytes(octets)
    found = open_store(path, Seal(KEY))
    assert not found.aside and len(found.contents.agents) == 49 and found.contents.lost == 1


def test_of_a_file_that_can_only_be_read_all_is_read(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `kill -9`: what was last written is in the log."""
    store = opened(path)
    write(store, Keep("1000", "p", 0, b"a"))
    real = Store.open

    def refuse(where: str, seal: Seal) -> Store:
        if where == path:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return real(where, seal)

    monkeypatch.setattr(Store, "open", refuse)
    found = open_store(path, Seal(KEY))
    assert found.store is None and found.trouble == "attempt to write a readonly database"
    assert [agent.record for agent in found.contents.agents] == [b"a"]
    store.close()
    with pytest.raises(ConfigError, match="cannot be written"):
        refuse_new = path + "-new"
        monkeypatch.setattr(Store, "open", lambda *_: refuse(path, Seal(KEY)))
        open_store(refuse_new, Seal(KEY))
    with pytest.raises(ConfigError, match="can be neither written nor read"):
        open_store(path, Seal(KEY))


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written .No such file or directory"):
        open_store(str(tmp_path / "no" / "such"), Seal(KEY))
    with pytest.raises(ConfigError, match="Is a directory"):
        open_store(str(tmp_path), Seal(KEY))


def test_no_two_damaged_files_have_one_name(path: str) -> None:
    names = set()
    for _ in range(3):
        Path(path).write_bytes(b"x")
        Path(path + "-wal").write_bytes(b"y")
        names.add(set_aside(path))
    assert len(names) == 3 and all(Path(name + "-wal").read_bytes() == b"y" for name in names)


def test_damage_while_it_is_open_is_told(path: str) -> None:
    filled(path)
    store = opened(path)
    store.prune()
    size = Path(path).stat().st_size
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises((Damaged, sqlite3.DatabaseError)) as error:
        store._database.execute("PRAGMA shrink_memory")
        write(store, *(Keep(str(1000 + number), "p", 0, b"changed") for number in range(50)))
    assert isinstance(error.value, Damaged) or (isinstance(error.value, sqlite3.Error) and is_damage(error.value))
    store.close()
