"""What is sealed is opened by its key in its place alone, and the key is for its owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from offhook.errors import ConfigError
from offhook.journal.sealing import MAX_RUNS, NotSealed, Seal, read_key

KEY = bytes(range(32))


def test_round_trip_also_in_another_process() -> None:
    one = Seal(KEY)
    sealed = [one.seal(b"secret", "agent 1000") for _ in range(2)]
    assert sealed[0] != sealed[1] and b"secret" not in sealed[0]
    other = Seal(KEY)
    assert [other.open(each, "agent 1000") for each in sealed] == [b"secret"] * 2
    assert one.open(sealed[0], "agent 1000") == b"secret"


def test_another_place_another_key_and_rubbish_are_not_opened() -> None:
    seal = Seal(KEY)
    sealed = seal.seal(b"secret", "agent 1000")
    for octets, place in (
        (sealed, "agent 1001"),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), "agent 1000"),
        (sealed[:20], "agent 1000"),
        (b"", "agent 1000"),
    ):
        with pytest.raises(NotSealed):
            seal.open(octets, place)
    with pytest.raises(NotSealed):
        Seal(bytes(32)).open(sealed, "agent 1000")


def test_no_two_messages_have_one_nonce_under_one_key() -> None:
    seals = [Seal(KEY) for _ in range(3)]
    heads = {seal.seal(b"", "p")[:28] for seal in seals for _ in range(5)}
    assert len(heads) == 15


def test_keys_of_many_runs_are_read_and_not_hoarded() -> None:
    reader = Seal(KEY)
    for _ in range(MAX_RUNS + 2):
        assert reader.open(Seal(KEY).seal(b"x", "p"), "p") == b"x"
    assert len(reader._others) <= MAX_RUNS


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.key"
    os.umask(os.umask(0))  # whatever it is
    key = read_key(str(path), make=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(key) == 32
    assert read_key(str(path), make=True) == read_key(str(path), make=False) == key
    assert [each.name for each in tmp_path.iterdir()] == ["journal.key"]


def test_what_is_wrong_with_a_key_is_told_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "journal.key"
    with pytest.raises(ConfigError, match="is missing. Put it back, or move the journal aside"):
        read_key(str(path), make=False)
    with pytest.raises(ConfigError, match="cannot be made"):
        read_key(str(tmp_path / "no" / "such"), make=True)
    path.write_text("ab" * 32)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=f"can be read by others .mode 0640.. Run: chmod 600 {path}"):
        read_key(str(path), make=False)
    path.chmod(0o600)
    assert read_key(str(path), make=False) == bytes([0xAB]) * 32
    for text in ("ab" * 31, "no key", "ä", ""):
        path.write_text(text)
        with pytest.raises(ConfigError, match="holds no key"):
            read_key(str(path), make=False)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_key(str(path), make=False)
