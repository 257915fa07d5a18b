"""conf/freeswitch without a FreeSWITCH: well-formed, named on its page, free of secrets; what the installer does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf" / "freeswitch"
FILES = sorted(path for path in CONF.rglob("*") if path.is_file())
XML = [path for path in FILES if ".xml" in path.name]
LUA = [path for path in FILES if path.suffix == ".lua"]
PAGE = (ROOT / "docs" / "how-to" / "freeswitch-server.md").read_text()


def name_of(path: Path) -> str:
    return str(path.relative_to(CONF))


def parsed(path: Path) -> ElementTree.Element:
    """As FreeSWITCH reads it: its preprocessor takes whole lines out first."""
    lines = [line for line in path.read_text().splitlines() if "<X-PRE-PROCESS" not in line]
    return ElementTree.fromstring("\n".join(lines))


@pytest.mark.parametrize("path", XML, ids=name_of)
def test_is_well_formed(path: Path) -> None:
    parsed(path)


@pytest.mark.parametrize("path", XML, ids=name_of)
def test_preprocessor_commands_stand_on_lines_of_their_own(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "X-PRE-PROCESS" in line:
            assert re.fullmatch(r'\s*<X-PRE-PROCESS cmd="set" data="\w+=[^"]*"/>', line), line


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_is_named_on_the_page(path: Path) -> None:
    assert path.name in PAGE if path.suffix == ".lua" else name_of(path) in PAGE


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_holds_no_password(path: Path) -> None:
    for value in re.findall(r'name="[^"]*(?:password|secret|a1-hash)[^"]*"\s+value="([^"]*)"', path.read_text()):
        assert value == "@PASSWORD@"


@pytest.mark.parametrize("path", LUA, ids=name_of)
def test_lua_parses(path: Path) -> None:
    compiler = shutil.which("luac") or shutil.which("luac5.2") or shutil.which("luac5.3") or shutil.which("luac5.4")
    if compiler is None:
        pytest.skip("there is no luac here")
    done = subprocess.run([compiler, "-p", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_setting_is_used_and_every_used_one_is_set() -> None:
    settings = set(re.findall(r'data="(offhook_\w+)=', (CONF / "offhook" / "vars.xml").read_text()))
    used = {name for path in XML for name in re.findall(r"\$\$\{(offhook_\w+)\}", path.read_text())}
    assert settings == used
    assert {name for name in settings if name not in PAGE} == set()


def test_no_header_of_a_caller_is_expanded_where_it_could_run_a_command() -> None:
    for path in XML:
        for call in re.findall(r"\$\{(\w+\((?:[^(){}]|\$\{[^}]*\})*\))\}", path.read_text()):
            assert "sip_h_" not in call and "offhook_call" not in call, f"{name_of(path)}: {call}"


SETTINGS = {
    "auth-calls": "true",
    "auth-messages": "true",
    "accept-blind-auth": "false",
    "accept-blind-reg": "false",
    "inbound-reg-force-matching-username": "true",
    "extended-info-parsing": "false",
    "confirm-blind-transfer": "true",
    "inbound-use-callid-as-uuid": "false",
    "context": "offhook-refuse",
}


def test_the_profile_keeps_its_promises() -> None:
    found = {
        param.get("name"): param.get("value") for param in parsed(CONF / "sip_profiles" / "offhook.xml").iter("param")
    }
    assert {name: found.get(name) for name in SETTINGS} == SETTINGS
    assert "apply-inbound-acl" not in found, "an address on such a list needs no digest any more"


def test_legs_to_agents_carry_no_header_but_ours() -> None:
    for extension in parsed(CONF / "dialplan" / "offhook.xml").iter("extension"):
        actions = [(action.get("application"), action.get("data")) for action in extension.iter("action")]
        if any(application in ("bridge", "callcenter") for application, _ in actions):
            assert ("set", "sip_copy_custom_headers=false") in actions, extension.get("name")


def test_recovering_a_call_that_is_gone_is_481() -> None:
    (found,) = (
        extension
        for extension in parsed(CONF / "dialplan" / "offhook.xml").iter("extension")
        if extension.get("name") == "offhook-recover"
    )
    assert [action.get("data") for action in found.iter("action")] == ["481 Call Does Not Exist"]


class Installed:
    """The smallest folder that the installer takes for a FreeSWITCH's."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.scripts = folder / "etc", folder / "scripts"
        vanilla = {
            "freeswitch.xml": "<document/>\n",
            "vars.xml": "<include>\n</include>\n",
            "autoload_configs/conference.conf.xml": "<c><profiles>\n</profiles></c>\n",
            "autoload_configs/callcenter.conf.xml": "<c><queues>\n</queues></c>\n",
            "autoload_configs/lua.conf.xml": "<c><settings>\n</settings></c>\n",
            "autoload_configs/modules.conf.xml": '<c><modules>\n<!-- <load module="mod_callcenter"/> -->\n'
            '<load module="mod_lua"/>\n</modules></c>\n',
        }
        for name, text in vanilla.items():
            (self.etc / name).parent.mkdir(parents=True, exist_ok=True)
            (self.etc / name).write_text(text)

    def run(self, *settings: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "tools" / "install-conf"), str(self.etc), str(self.scripts), *settings]
        return subprocess.run(command, capture_output=True, text=True)

    def read(self) -> dict[str, str]:
        paths = [*self.etc.rglob("*"), *self.scripts.rglob("*")]
        return {str(path): path.read_text() for path in paths if path.is_file()}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_installer_puts_every_file_in_place(installed: Installed) -> None:
    assert installed.run("offhook_sip_port=5999").returncode == 0
    for path in FILES:
        if path.suffix == ".lua":
            assert (installed.scripts / "offhook" / path.name).exists()
        elif path.suffix == ".xml":
            assert (installed.etc / name_of(path)).exists()
    assert 'data="offhook_sip_port=5999"' in (installed.etc / "offhook" / "vars.xml").read_text()
    modules = (installed.etc / "autoload_configs" / "modules.conf.xml").read_text()
    assert modules.count('"mod_lua"') == 1 and '\n  <load module="mod_callcenter"/>' in modules


def test_installer_can_be_run_again(installed: Installed) -> None:
    installed.run("offhook_sip_port=5999")
    before = installed.read()
    assert installed.run().returncode == 0
    assert installed.read() == before


def test_installer_names_a_setting_that_does_not_exist(installed: Installed) -> None:
    done = installed.run("offhook_nonsense=1")
    assert done.returncode != 0 and "no setting offhook_nonsense" in done.stderr


def test_installer_touches_nothing_that_is_no_configuration(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "install-conf"), str(tmp_path), str(tmp_path / "scripts")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0 and list(tmp_path.iterdir()) == []


JSON_CASES = """
local json = dofile(arg[1])
local function same(text) local value, problem = json.decode(text); return problem or json.encode(value) end
for _, text in ipairs {
  '{"b":[],"a":{},"n":null,"t":true,"x":-1.5e3}', '"\\\\u00e9\\\\ud83d\\\\ude00\\\\n\\\\u0001"', ' [1 , 2] ', '0', '""',
  '', '{', '[1,]', '{"a":1,"a":2}', '01', '1.', '"\\t"', '"\\\\ud800"', '"\\\\x"', 'nul', '1 2', '"\\255"',
  '"\\237\\160\\128"',
  '"\\192\\128"', '-', '[' .. string.rep('[', 100), '{1:2}', '"a', '123456789012345678901234567890123456789',
} do print(same(text)) end
"""


def test_json_is_read_strictly(tmp_path: Path) -> None:
    lua = shutil.which("lua") or shutil.which("lua5.2") or shutil.which("lua5.3") or shutil.which("lua5.4")
    if lua is None:
        pytest.skip("there is no lua here")
    script = tmp_path / "cases.lua"
    script.write_text(JSON_CASES)
    done = subprocess.run([lua, str(script), str(CONF / "scripts" / "offhook" / "json.lua")], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    good, bad = (lines := done.stdout.decode().splitlines())[:5], lines[5:]
    assert good == ['{"a":{},"b":[],"n":null,"t":true,"x":-1500}', '"é😀\\u000a\\u0001"', "[1,2]", "0", '""']
    assert len(bad) == 19
    assert all(re.search(r" at \d+$|^no UTF-8$|^more after the value$", line) for line in bad), bad
