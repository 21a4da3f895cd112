"""An HTTP proxy that knows CONNECT alone, as stands at the edge of a company's network."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from types import TracebackType


class Tunnel:
    """`async with Tunnel() as proxy:` listens on `proxy.port`. It may ask for a LOGIN
    (user:password), or answer any request with a status of its own. `hosts` maps names that only
    it knows."""

    def __init__(
        self, login: str = "", status: int = 200, hosts: dict[str, str] | None = None
    ) -> None:
        self._login = b64encode(login.encode()).decode() if login else ""
        self._status = status
        self._hosts = hosts or {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []  # HOST:PORT

    async def __aenter__(self) -> Tunnel:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled by __aexit__; asyncio 3.11 would complain of it
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = request.split(" ")
        self.asked.append(target)
        status = self._status if method == "CONNECT" else 405
        if self._login and f"Proxy-Authorization: Basic {self._login}" not in headers:
            status = 407
        writer.write(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode())
        if status != 200:
            return
        host, _, port = target.rpartition(":")
        there = await asyncio.open_connection(self._hosts.get(host, host), int(port))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_carry(reader, there[1]))
                both.create_task(_carry(there[0], writer))
        except* OSError:
            pass
        finally:
            there[1].close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
