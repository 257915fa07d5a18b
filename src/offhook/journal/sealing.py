"""Encryption of what a journal holds, and the file with its key."""

from __future__ import annotations

import hmac
import os
import secrets
import stat

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from offhook.errors import ConfigError

KEY_BYTES, SALT_BYTES, NONCE_BYTES = 32, 16, 12
MAX_RUNS = 64
"""Keys of other runs that are held ready for reading."""


class NotSealed(ValueError):
    """Octets that were not sealed with this key for this place."""


class Seal:
    """AES-256-GCM. Each run has a key of its own, made from the file's by HMAC-SHA-256 with a random salt.

    So nonces are counted, and no two messages under one key can ever have the same (NIST SP 800-38D §8).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._salt = secrets.token_bytes(SALT_BYTES)
        self._own = self._cipher(self._salt)
        self._others: dict[bytes, AESGCM] = {}
        self._count = 0

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._key, salt, "sha256"))

    def seal(self, data: bytes, place: str) -> bytes:
        """Salt, nonce, and `data` encrypted; `place` names where alone it can be opened."""
        nonce = self._count.to_bytes(NONCE_BYTES, "big")
        self._count += 1
        return self._salt + nonce + self._own.encrypt(nonce, data, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises `NotSealed`."""
        salt, rest = sealed[:SALT_BYTES], sealed[SALT_BYTES:]
        cipher = self._own if salt == self._salt else self._others.get(salt)
        if cipher is None:
            if len(self._others) >= MAX_RUNS:
                self._others.clear()
            cipher = self._others[salt] = self._cipher(salt)
        try:
            return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise NotSealed from None


def read_key(path: str, *, make: bool) -> bytes:
    """The key in that file, which its owner alone may read; with `make` it is made where it is missing.

    Raises `ConfigError`.
    """
    if make:
        _make_key(path)
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4 * KEY_BYTES)
    except FileNotFoundError:
        remedy = "Put it back, or move the journal aside to begin a new one: calls that live are lost to Offhook then"
        raise ConfigError("journal", f"its key {path!r} is missing", remedy) from None
    except OSError as error:
        problem = f"its key {path!r} cannot be read ({error.strerror})"
        raise ConfigError("journal", problem, "Let the user who runs Offhook read it") from None
    if mode & 0o077:
        problem = f"its key {path!r} can be read by others (mode {mode:04o})"
        raise ConfigError("journal", problem, f"Run: chmod 600 {path}")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        remedy = "Put back the one that was made with the journal: 64 hexadecimal digits"
        raise ConfigError("journal", f"{path!r} holds no key", remedy)
    return key


def _make_key(path: str) -> None:
    """Whole or not at all: a process that is killed in between leaves no half of a key."""
    if os.path.exists(path):
        return
    begun = f"{path}.new"
    try:
        descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, secrets.token_hex(KEY_BYTES).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(begun, path)
    except OSError as error:
        problem = f"its key {path!r} cannot be made ({error.strerror})"
        raise ConfigError("journal", problem, "Give a path in a directory that Offhook may write to") from None
