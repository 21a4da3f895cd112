"""A whole session: commands from an iterator go out while its events come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..errors import UpstreamError
from ..events import Ended, Event, Failed, KeepAlive, Malformed
from ..wire.base import Task
from ..wire.unified import Client, Style
from .connection import Connection, connect
from .failures import UnreachableError, ended, ends_session, failed
from .gateway import Gateway


async def exchange(
    gateway: Gateway, task: Task, model: str, commands: AsyncGenerator[Event, None]
) -> AsyncGenerator[Event, None]:
    """What the gateway answers, up to the end of the session.

    Errors after which the session goes on are events; for all others a GatewayError is raised, and
    so is whatever `commands` raises.
    """
    endpoint = gateway.endpoint(task, model)
    try:
        async with connect(endpoint, Client(Style(task)), gateway.tls()) as connection:
            # No TaskGroup: it must not stay open over a `yield`, where it would cancel the caller.
            saying = asyncio.create_task(_say(connection, commands))
            saying.add_done_callback(lambda task: _said(connection, task))
            try:
                async for event in connection:
                    if isinstance(event, Ended) and ended(event) is None:
                        yield event
                        return
                    if not isinstance(event, KeepAlive):
                        yield _checked(event)
            finally:
                saying.cancel()
                await asyncio.wait({saying})
    except UnreachableError as error:
        raise UnreachableError(f"no gateway at {gateway.http}: {error.message}") from error
    detail = f"{connection.close_code} {connection.close_reason}".strip()
    raise UpstreamError(f"the gateway closed the connection ({detail})", code="backend_error")


def _checked(event: Event) -> Event:
    match event:
        case Failed() if ends_session(event):
            raise failed(event)
        case Ended() if (error := ended(event)) is not None:
            raise error
        case Malformed(message=message):
            raise UpstreamError(f"the gateway broke its protocol: {message}")
        case _:
            return event


async def _say(connection: Connection, commands: AsyncGenerator[Event, None]) -> None:
    async with aclosing(commands):
        async for command in commands:
            await connection.send(command)


def _said(connection: Connection, saying: asyncio.Task[None]) -> None:
    if not saying.cancelled() and (error := saying.exception()) is not None:
        connection.break_off(error)
