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
    "enable-chat": "false",
    "channel-xml-fetch-on-nightmare-transfer": "true",
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


def extensions() -> dict[str, ElementTree.Element]:
    found = parsed(CONF / "dialplan" / "offhook.xml").iter("extension")
    return {extension.get("name") or "": extension for extension in found}


def actions_of(extension: str) -> list[tuple[str | None, str | None]]:
    return [(action.get("application"), action.get("data")) for action in extensions()[extension].iter("action")]


def matches(extension: str, field: str, value: str) -> bool:
    """Whether the extension's condition on that field fits (PCRE and `re` agree on these)."""
    (condition,) = (each for each in extensions()[extension].iter("condition") if each.get("field") == field)
    return re.search(condition.get("expression") or "", value) is not None


def test_recovering_a_call_that_is_gone_is_481() -> None:
    """And who was sent there by a transfer is given back before that."""
    assert actions_of("offhook-recover")[-1] == ("respond", "481 Call Does Not Exist")
    given_back = [("set", "sip_invite_failure_status=481"), ("blind_transfer_ack", "false"), ("sleep", "1000")]
    assert actions_of("offhook-recover")[:-1] == given_back
    sent, _ = (each for each in extensions()["offhook-recover"].iter("condition") if each.get("field"))
    referred = extensions()["offhook-recover"].findall("condition")[1]
    assert sent.get("expression") == "^offhook-recover$"
    assert (referred.get("field"), referred.get("break")) == ("${blind_transfer_uuid}", "never")


def test_a_number_is_looked_at_before_anything_else() -> None:
    first, second, *_ = extensions()
    assert first == "offhook-number" and second == "offhook-caller-name"
    for number in ("${system(x)}", "1 XML default", "a,b", "1{x=1}", "a'b", "", "1" * 65, "1\n", "*44;x", "1@h", "%2A"):
        assert matches("offhook-number", "destination_number", number) == (number != "1\n"), number
    for number in ("1001", "*441001", "0-support", "offhook-recover", "+49.30#", "a_b"):
        assert not matches("offhook-number", "destination_number", number), number


def test_what_a_caller_is_called_sets_no_variables() -> None:
    assert matches("offhook-caller-name", "caller_id_name", "a|b") and not matches(
        "offhook-caller-name", "caller_id_name", "Ann Example"
    )
    for number in ("api+status%20x", "a b", "1" * 41, "<sip:1>"):
        assert matches("offhook-caller-number", "caller_id_number", number), number
    for number in ("+49301234", "anonymous", ""):
        assert not matches("offhook-caller-number", "caller_id_number", number), number


def test_each_refusal_is_written_down() -> None:
    for extension in ("offhook-number", "offhook-from", "offhook-forbidden"):
        application, data = actions_of(extension)[0]
        assert application == "lua" and (data or "").startswith("offhook/refused.lua "), extension


def test_what_one_party_says_at_the_end_is_taken_from_every_leg() -> None:
    assert ("export", "execute_on_answer=lua offhook/ended.lua answered") in actions_of("offhook-entry")
    queue = dict(data.split("=", 1) for _, data in actions_of("offhook-queue") if data and "=" in data)
    assert "execute_on_answer" in queue["cc_export_vars"].split(",")
    after = actions_of("offhook-user")
    bridge = next(at for at, (application, _) in enumerate(after) if application == "bridge")
    assert after[bridge + 1] == ("lua", "offhook/ended.lua ${uuid}")


def test_an_agent_is_called_where_it_registered_from() -> None:
    template = (CONF / "directory" / "agent.xml.template").read_text()
    assert "${lua(offhook/contact.lua ${dialed_user} ${dialed_domain})}" in template
    assert "sofia_contact" not in template


def lua_says(tmp_path: Path, script: str, given: dict[str, str], *arguments: str) -> str:
    """What a script of ours writes, where FreeSWITCH's API commands answer `given` (by command)."""
    lua = shutil.which("lua") or shutil.which("lua5.2") or shutil.which("lua5.3") or shutil.which("lua5.4")
    if lua is None:
        pytest.skip("there is no lua here")
    for number, text in enumerate(given.values()):
        (tmp_path / str(number)).write_text(text)
    answers = ", ".join(f'["{name}"] = "{tmp_path / str(number)}"' for number, name in enumerate(given))
    run = tmp_path / "run.lua"
    run.write_text(
        f"""
        package.path = "{CONF}/scripts/?.lua"
        local files = {{ {answers} }}
        local api = {{ execute = function(_, name) return files[name] and io.open(files[name]):read("*a") end }}
        freeswitch = {{ API = function() return api end, consoleLog = function() end }}
        stream = {{ write = function(_, text) io.write(text) end }}
        argv = {{ {", ".join(f'"{argument}"' for argument in arguments)} }}
        dofile("{CONF}/scripts/offhook/{script}")
        """
    )
    done = subprocess.run([lua, str(run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


REGISTERED = """<?xml version="1.0" encoding="ISO-8859-1"?>
<profile>
  <registrations>
    <registration>
        <call-id>x</registration><registration><network-ip>192.0.2.66</network-ip></call-id>
        <user>{user}</user>
        <contact>&quot;&quot; &lt;{contact}&gt;</contact>
        <agent>&lt;/agent&gt;</agent>
        <network-ip>192.0.2.1</network-ip>
        <network-port>40000</network-port>
    </registration>
  </registrations>
</profile>
"""
HERE = "fs_nat=yes;fs_path=sip%3A1001%40192.0.2.1%3A40000%3Btransport%3D"


@pytest.mark.parametrize(
    ("contact", "dialled"),
    [
        ("sip:1001@x.invalid;transport=ws;fs_nat=yes;fs_path=sip%3Aevil", f"sip:1001@x.invalid;transport=ws;{HERE}ws"),
        (
            "sip:1001@192.0.2.66:5060;transport=udp;maddr=192.0.2.67",
            f"sip:1001@192.0.2.66:5060;transport=udp;{HERE}udp",
        ),
        ("sip:1,sofia/x/sip:2@192.0.2.66", f"sip:1001@192.0.2.66;transport=udp;{HERE}udp"),
        ("sip:1${{system(x)}}@192.0.2.66", f"sip:1001@192.0.2.66;transport=udp;{HERE}udp"),
        ("sip:1001@192.0.2.66,x", None),
        ("sip:1001@x;transport=evil", None),
        ("tel:1001", None),
    ],
)
def test_a_contact_cannot_send_a_call_elsewhere(tmp_path: Path, contact: str, dialled: str | None) -> None:
    known = REGISTERED.format(user="1001@pbx", contact=contact.replace("{{", "{").replace("}}", "}"))
    said = lua_says(tmp_path, "contact.lua", {"sofia": known}, "1001", "pbx")
    assert said == ("error/user_not_registered" if dialled is None else f"sofia/offhook/{dialled}")


def test_a_user_is_not_another_with_a_longer_name(tmp_path: Path) -> None:
    known = REGISTERED.format(user="11001@pbx", contact="sip:11001@x.invalid;transport=ws")
    assert lua_says(tmp_path, "contact.lua", {"sofia": known}, "1001", "pbx") == "error/user_not_registered"


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
