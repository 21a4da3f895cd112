"""`voxway listen`: live captions of what the microphone hears, until Ctrl-C."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import typer
from msgspec import Struct

from ..client import Gateway
from ..client.devices import Microphone
from .sound import RATE
from .transcribe import Script, hearing, written
from .transcript import Shape


class Wish(Struct, frozen=True):
    """What the command line asks for. `device` is a number or a part of a name."""

    model: str
    shape: Shape
    language: str | None = None
    device: str = ""
    out: str = ""


def run(gateway: Gateway, wish: Wish) -> None:
    """Show what is heard; what was heard until Ctrl-C is all shown. Raises GatewayError."""
    device = int(wish.device) if wish.device.isdecimal() else wish.device or None
    microphone = Microphone(RATE, device)
    typer.echo("voxway: listening; Ctrl-C ends", err=True)
    script = Script(wish.model, hearing(wish.shape, wish.language, RATE), wish.shape, wish.out)
    with suppress(KeyboardInterrupt):
        asyncio.run(written(gateway, script, aiter(microphone)))
