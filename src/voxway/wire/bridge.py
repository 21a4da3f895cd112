"""The unified protocol as a provider's: another gateway, or a worker with an engine of our own."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from . import unified
from .base import Address, Endpoint, Opening, Task, Wire
from .policies import POLICIES


def _client(task: Task, options: Any, address: Address) -> unified.Client:
    return unified.Client(unified.Style(task, binary_audio=True, terminals="audio_end"))


def _server(task: Task, opening: Opening) -> unified.Server:
    return unified.Server(unified.Style(task))


def _endpoint(task: Task, options: Any, address: Address) -> Endpoint:
    """The bridge of another gateway; a URL that has a path of its own is taken as it is."""
    headers = {"Authorization": f"Bearer {address.key}"} if address.key else {}
    if urlsplit(address.url).path.rstrip("/"):
        return Endpoint(address.join(""), headers)
    model = quote(address.model, safe="/:")
    return Endpoint(address.join(f"/v1/bridges/unmute/{task}/{model}"), headers)


def _wire(task: Task) -> Wire:
    return Wire(
        task=task,
        provider="",
        client=partial(_client, task),
        endpoint=partial(_endpoint, task),
        server=partial(_server, task),
        policy=POLICIES["unified"],
    )


VOICE, EAR = _wire("tts"), _wire("stt")
