from __future__ import annotations

import pytest

from offhook.errors import ConfigError
from offhook.switch.directory import Directory, Queue, User


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


def test_who_supervises() -> None:
    directory = Directory.sample()
    assert [user.number for user in directory if user.role == "supervisor"] == ["1009"]
    assert directory.supervises("1009") and not directory.supervises("1001")
    assert not directory.supervises("2000") and not directory.supervises(None)
    named = Directory.parse('[users.1000]\npassword = "x"\nrole = "supervisor"\n[users.1001]\npassword = "y"\n')
    assert named.supervises("1000") and not named.supervises("1001")


def test_queues() -> None:
    assert Directory.sample().queues == {"support": Queue("support", ("1001",), "5900")}
    users = '[users.1000]\npassword = "x"\n[users.1001]\npassword = "y"\n'
    text = users + '[queues.sales]\nagents = ["1000", "1001"]\n[queues.help]\nagents = ["1001"]\nnumber = "700"\n'
    directory = Directory.parse(text)
    assert directory.queues == {
        "sales": Queue("sales", ("1000", "1001")),
        "help": Queue("help", ("1001",), "700"),
    }
    assert Directory.parse(users).queues == {}
    others = directory.with_queues([Queue("one", ("1000",))])
    assert list(others.queues) == ["one"] and len(others) == 2


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("queues = 3", "queues"),
        ("[queues]\nsales = 3", "queues.sales"),
        ('[queues."sales desk"]\nagents = ["1000"]', "queues.sales desk"),
        ("[queues.sales]", "queues.sales.agents"),
        ("[queues.sales]\nagents = []", "queues.sales.agents"),
        ('[queues.sales]\nagents = "1000"', "queues.sales.agents"),
        ("[queues.sales]\nagents = [[]]", "queues.sales.agents"),
        ('[queues.sales]\nagents = ["1001"]', "queues.sales.agents"),
        ('[queues.sales]\nagents = ["1000"]\nnumber = 5', "queues.sales.number"),
        ('[queues.sales]\nagents = ["1000"]\nmusic = "x"', "queues.sales.music"),
    ],
)
def test_what_is_wrong_with_a_queue(text: str, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Directory.parse(f"{text}\n[users.1000]\npassword = 'x'\n")
    assert caught.value.field == field
    assert "[queues.support]" in caught.value.remedy


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
