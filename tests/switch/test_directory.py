from __future__ import annotations

import pytest

from offhook.errors import ConfigError
from offhook.switch.directory import Directory, User


def test_the_sample() -> None:
    directory = Directory.sample()
    assert len(directory) == 20
    assert directory.find("1007") == User("1007", "Extension 1007", "1234")
    assert directory.password("1007") == "1234"
    assert directory.password("1020") is None and directory.find("1020") is None


def test_a_file() -> None:
    directory = Directory.parse('[users.1000]\npassword = "x"\nname = "Zoë"\n[users.alice]\npassword = "y"\n')
    assert [(user.number, user.name, user.password) for user in directory] == [
        ("1000", "Zoë", "x"),
        ("alice", "Extension alice", "y"),
    ]


def test_passwords_are_not_shown() -> None:
    assert "sesame" not in repr(User("1", "one", "sesame"))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[users", "users"),
        ("", "users"),
        ("users = 3", "users"),
        ("[users]", "users"),
        ("[users]\n1000 = 3", "users.1000"),
        ('[users."10 00"]\npassword = "x"', "users.10 00"),
        ("[users.1000]", "users.1000.password"),
        ("[users.1000]\npassword = 1234", "users.1000.password"),
        ('[users.1000]\npassword = ""', "users.1000.password"),
        ('[users.1000]\npassword = "x"\nname = "a\\"b"', "users.1000.name"),
        ('[users.1000]\npassword = "x"\nrole = "boss"', "users.1000.role"),
    ],
)
def test_what_is_wrong_is_named(text: str, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Directory.parse(text)
    assert caught.value.field == field
    assert "[users.1000]" in caught.value.remedy
