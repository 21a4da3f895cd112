"""`voxway doctor`, as docs/how-to/doctor.md shows it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from cli.conftest import Shell
from conftest import Gateway
from services import free_port
from voxway import client
from voxway.cli.doctor import given_key

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
COMMANDS = re.findall(r"^voxway .*$", PAGE.read_text(), re.M)


def as_shown(shell: Shell, command: str) -> list[str]:
    _, *args = shlex.split(command.partition(" > ")[0])
    here = {"ws://127.0.0.1:8080": shell.environ["VOXWAY_URL"], "YOUR_KEY": "test-local"}
    return [here.get(arg, arg) for arg in args]


def test_the_first_example_examines_all(shell: Shell, gateway: Gateway) -> None:
    gateway.wait_ready()
    done = shell.run(*as_shown(shell, COMMANDS[0]))
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, lines
    shown = re.findall(r"^(?:ok|warning) +(\w+) ", done.stdout.decode(), re.M)
    documented = re.findall(r"^ok +(\w+) ", PAGE.read_text(), re.M)
    assert shown == documented
    assert lines[0] == "ok       key       there is a key in --key"
    assert "spoken words came back" in lines[-2]
    told = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    assert set(shown) <= told | {"gateway", "models", "speech"}


def test_the_second_example_gives_a_document(shell: Shell) -> None:
    found = json.loads(shell.ok(*as_shown(shell, COMMANDS[1])))
    assert found["url"].startswith("ws://")
    assert found["status"] in ("ok", "warning")
    checks = {finding["check"]: finding for finding in found["findings"]}
    assert set(checks["echo"]["figures"]) == {"rtt_ms", "network_ms", "server_ms", "jitter_ms"}
    assert checks["speech"]["status"] == "skipped"
    assert "test-local" not in str(found)


@pytest.mark.parametrize(
    ("args", "code", "shown"),
    [
        (["--key", "wrong"], 4, "PROBLEM  key       "),
        ([f"127.0.0.1:{free_port()}"], 3, "PROBLEM  tcp       nobody listens"),
        (["--voice", "local/nobody:en"], 5, "PROBLEM  upgrade   "),
    ],
)
def test_the_exit_code_says_whose_turn_it_is(
    shell: Shell, args: list[str], code: int, shown: str
) -> None:
    done = shell.run("doctor", *args)
    assert done.returncode == code
    said = done.stdout.decode()
    assert shown in said
    assert "\n                   -> " in said
    assert "cannot be used as it is" in said


def test_white_space_in_the_environment_is_found(shell: Shell) -> None:
    shell.environ["VOXWAY_API_KEY"] += "\n"
    said = shell.ok("doctor", "--no-speech")
    assert "warning  key       the key in VOXWAY_API_KEY ends with a newline" in said
    assert "see the warnings" in said


def test_where_the_key_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    here = client.Gateway("ws://127.0.0.1:8080", "made-here")
    assert given_key("mine", here) == ("mine", "in --key")
    monkeypatch.setenv("VOXWAY_API_KEY", "mine ")
    assert given_key("", here) == ("mine ", "in VOXWAY_API_KEY")
    monkeypatch.delenv("VOXWAY_API_KEY")
    assert given_key("", here) == ("made-here", "that a gateway on this machine made for itself")


def test_what_is_no_address_is_wrong_use(shell: Shell) -> None:
    assert "is not like ws://127.0.0.1:8080" in shell.fails(2, "doctor", "ftp://x")
