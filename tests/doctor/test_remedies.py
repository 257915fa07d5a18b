"""What is told to mend exists: the files, settings and parameters of conf/freeswitch that the doctor names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from offhook.doctor import remedies

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf" / "freeswitch"
SAID = "\n".join(path.read_text() for path in sorted((ROOT / "src/offhook/doctor").glob("*.py")))
FILES = sorted(set(re.findall(r"\b(?:sip_profiles|dialplan|offhook)/[\w/]+\.(?:xml|lua)", SAID)))
NAMES = sorted(set(re.findall(r"\boffhook_[a-z_]+_(?:ip|binding|acl|numbers|context)\b", SAID)))
PROFILE = (CONF / "sip_profiles/offhook.xml").read_text()
SETTINGS = (CONF / "offhook/vars.xml").read_text()


@pytest.mark.parametrize("path", FILES)
def test_files(path: str) -> None:
    assert (CONF / path).exists() or (CONF / "scripts" / path).exists()


@pytest.mark.parametrize("name", NAMES)
def test_settings(name: str) -> None:
    assert f'data="{name}=' in SETTINGS


@pytest.mark.parametrize(
    "name",
    [
        "auth-calls",
        "accept-blind-reg",
        "accept-blind-auth",
        "challenge-realm",
        "channel-xml-fetch-on-nightmare-transfer",
        "confirm-blind-transfer",
        "disable-transfer",
        "enable-chat",
        "enable-timer",
        "extended-info-parsing",
        "force-register-domain",
        "multiple-registrations",
        "rfc2833-pt",
        "rfc8760-auth-algorithms",
        "send-display-update",
        "session-timeout",
        "tls-version",
        "ws-binding",
        "wss-binding",
    ],
)
def test_parameters_of_the_profile(name: str) -> None:
    assert name in SAID and f'name="{name}"' in PROFILE


def test_they_are_sentences_without_an_end() -> None:
    for name, text in vars(remedies).items():
        if name.isupper():
            assert not text.endswith("."), name
