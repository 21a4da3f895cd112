"""Keys that are given out, as their users and their operators meet them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from conftest import BOUND, Gateway, without_bugs

VOICE, EAR = "/v1/tts/deepgram/aura:2", "/v1/stt/deepgram/nova:2"
# Sockets are opened, and nobody is dialled before they are configured.
ALONE = {"VOXWAY_ENGINES": "none", "VOXWAY_API_KEYS": "", "DEEPGRAM_API_KEY": "not-used"}
Json = dict[str, Any]


def keys(directory: Path, *args: str, **environ: str) -> Json:
    """`voxway keys`, in a process of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("VOXWAY")}
    env |= {"VOXWAY_DATA_DIR": str(directory)} | environ
    command = [sys.executable, "-m", "voxway.cli.main", "keys", *args, "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BOUND)
    assert done.returncode == 0, done.stderr
    answer: Json = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose own key may administer keys."""
    directory = tmp_path_factory.mktemp("office")
    admin = keys(directory, "create", "operators", "--scope", "admin")
    started = Gateway(directory, **ALONE)
    started.key = admin["key"]
    yield from without_bugs(started)


def made(office: Gateway, **wish: object) -> Json:
    with office.api() as api:
        answer = api.post("/v1/admin/keys", json={"organisation": "acme", "tier": "pro"} | wish)
    assert answer.status_code == 201, answer.text
    key: Json = answer.json()
    return key


def refused(office: Gateway, path: str, key: str) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        office.open(path, key=key)
    body = json.loads(caught.value.response.body or b"{}")
    return caught.value.response.status_code, body["code"]


def test_a_key_made_while_the_gateway_runs_opens_it(office: Gateway) -> None:
    new = keys(office.directory, "create", "acme", "--tier", "pro")
    with office.open(VOICE, key=new["key"]), office.api(new["key"]) as api:
        me = api.get("/v1/me").json()
        assert (me["id"], me["tier"]) == (new["account"], "pro")
        assert me["limits"]["connections"] == 5
        assert me["connections"] == {"websocket": 1, "http": 0}


def test_a_key_revoked_by_another_process_ends_its_sessions(office: Gateway) -> None:
    new, other = made(office), made(office)
    with office.open(VOICE, key=new["key"]) as ended, office.open(EAR, key=other["key"]) as kept:
        keys(office.directory, "revoke", new["prefix"])
        revoked = time.monotonic()
        [error] = [m for m in ended.rest() if m["type"] == "error"]
        assert time.monotonic() - revoked < 5.0  # one second where the machine is not loaded
        assert (error["code"], error["retryable"]) == ("auth_error", False)
        assert ended.socket.close_code == 4000
        assert refused(office, VOICE, new["key"]) == (401, "auth_error")
        kept.say(type="keepalive")
        kept.say(type="finalize")
        assert kept.hear()["type"] == "error"  # of a session that has not begun; but it goes on


def test_a_key_that_expires_ends_its_sessions(office: Gateway) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    new = made(office, expires=soon)
    with office.open(VOICE, key=new["key"]) as talk:
        assert talk.close_code() == 4000
    assert refused(office, VOICE, new["key"]) == (401, "auth_error")


def test_what_a_key_is_not_good_for(office: Gateway) -> None:
    speaks = made(office, uses=["tts"], models=["deepgram/aura:*"])["key"]
    with office.open(VOICE, key=speaks):
        pass
    assert refused(office, EAR, speaks) == (403, "forbidden")
    assert refused(office, "/v1/tts/deepgram/aura-2", speaks)[0] in (403, 404)
    with office.api(speaks) as api:
        assert api.get("/v1/me").status_code == 200
        answer = api.post(VOICE, json={"text": "Hello."})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert api.get("/v1/admin/keys").status_code == 403
        assert "not good for" in answer.json()["message"]


def test_rotated_with_grace_both_keys_stand_for_one_account(office: Gateway) -> None:
    old = made(office, tier="free")
    new = keys(office.directory, "rotate", old["id"], "--grace", "1h")
    with office.open(VOICE, key=old["key"]):
        assert refused(office, VOICE, new["key"]) == (429, "rate_limit")  # its one slot is taken


def test_a_key_revoked_here_ends_sessions_at_another_gateway(
    postgres_url: str, tmp_path: Path
) -> None:
    shared = {"VOXWAY_DATABASE_URL": postgres_url, "VOXWAY_PEPPER": "p" * 40} | ALONE
    admin = keys(tmp_path, "create", "operators", "--scope", "admin", **shared)
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
    here, there = (Gateway(place, **shared) for place in places)
    try:
        here.key = admin["key"]
        new = made(here)
        with there.open(VOICE, key=new["key"]) as talk, here.api() as api:
            revoked = api.delete(f"/v1/admin/keys/{new['id']}").json()
            assert revoked["status"] == "revoked"
            assert refused(here, VOICE, new["key"]) == (401, "auth_error")  # at once
            assert talk.close_code() == 4000
        assert refused(there, VOICE, new["key"]) == (401, "auth_error")
    finally:
        here.stop()
        there.stop()
    last_used = keys(tmp_path, "show", new["id"], **shared)["last_used"]
    assert last_used is not None
