"""Standard input as it comes, for a loop that does other things meanwhile."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator

_SIZE = 64 * 1024  # bytes at most in one piece


async def read() -> AsyncIterator[bytes]:
    """Each piece as soon as it is there. No thread: one that waits for a terminal would keep the
    process from ending at Ctrl-C."""
    while True:
        await _until_readable(0)
        data = os.read(0, _SIZE)
        if not data:
            return
        yield data


async def read_text() -> AsyncIterator[str]:
    """The same as text; a character never falls apart."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    async for data in read():
        if text := decoder.decode(data):
            yield text
    if rest := decoder.decode(b"", final=True):
        yield rest


async def _until_readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(fd, readable.set)
    except PermissionError:  # an ordinary file, which always is
        return
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
