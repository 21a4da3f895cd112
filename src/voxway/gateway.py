"""The gateway: who may come in, which relay they get, and how it all ends.

It keeps no state but the open sessions and their slots. What is refused is refused before the
upgrade, as HTTP with a JSON body; a browser, which cannot read that, is told in the socket.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

import structlog
from msgspec import Struct, json

from .auth import Account, Keys, find_credential
from .catalog import Catalog, Found
from .errors import GatewayError, ProtocolError
from .events import Failed, Warning
from .guard import Guarded
from .limits import Meter, Slots
from .net.base import Acceptance, Receiver, Refusal, Request, Socket
from .relay import Dial, Relay, Session
from .routes import Target, target
from .session.actions import Identity
from .session.stt import SttSession
from .session.tts import TtsSession
from .wire.base import Codec, Frame
from .wire.unified import Client, Server, Style

log = structlog.get_logger("voxway")

TICK = 1.0  # seconds
Dialer = Callable[[Found], Dial]


class ErrorBody(Struct, frozen=True, omit_defaults=True):
    """The JSON body of every refusal."""

    error: str
    message: str
    code: str
    request_id: str
    param: str | None = None


def refusal(error: GatewayError, request_id: str) -> Refusal:
    """The HTTP answer for an error."""
    body = ErrorBody(error.error, error.message, error.error, request_id, error.param)
    headers = {"Content-Type": "application/json", "x-request-id": request_id}
    if error.rule.http_status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="voxway"'
    if error.retry_after is not None or error.rule.http_status == 429:
        headers["Retry-After"] = str(max(1, round(error.retry_after or 1.0)))
    return Refusal(error.rule.http_status, json.encode(body), headers)


class Farewell:
    """Receiver that tells a browser why it may not come in, and closes."""

    def __init__(self, error: GatewayError) -> None:
        self._error = error

    def opened(self, socket: Socket) -> None:
        rule = self._error.rule
        failed = Failed(
            self._error.error, self._error.message, rule.retryable, True, self._error.param
        )
        for frame in Server(Style("tts")).encode(failed):
            socket.send(frame)
        socket.close(rule.close_code or 1008, self._error.error)

    def frame(self, frame: Frame) -> None: ...

    def writable(self, writable: bool) -> None: ...

    def closed(self, code: int, reason: str) -> None: ...


class Gateway:
    """One per process. `dialer` gives, for a model, the way to connect to what answers it."""

    def __init__(
        self,
        keys: Keys,
        catalog: Catalog,
        dialer: Dialer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._catalog = catalog
        self._dialer = dialer
        self._clock = clock
        self._slots = Slots()
        self._relays: dict[str, Relay] = {}
        self._all_gone = asyncio.Event()
        self.is_draining = False

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._relays)

    async def accept(self, request: Request) -> Refusal | Acceptance:
        """Let a WebSocket in, or say why not. Never raises."""
        request_id = f"req_{secrets.token_hex(12)}"
        try:
            return self._admit(request, request_id)
        except GatewayError as error:
            log.info("refused", code=error.error, request=request_id, peer=request.peer)
            if "origin" in request.headers:
                offered = request.subprotocols
                return Acceptance(Farewell(error), next(iter(offered), None))
            return refusal(error, request_id)

    def _admit(self, request: Request, request_id: str) -> Acceptance:
        if self.is_draining:
            raise GatewayError("the gateway is going down", code="draining", retry_after=5.0)
        credential = find_credential(request.headers, request.query, request.subprotocols)
        account = self._keys.account(credential)
        wanted = target(request.path)
        if wanted is None:
            raise ProtocolError(f"no route {request.path[:200]!r}", code="model_not_found")
        found = self._catalog.find(wanted.kind, wanted.model)
        if request.headers.get("sec-websocket-version") != "13":
            raise ProtocolError("a WebSocket of version 13 is needed", param="upgrade")
        self._slots.reserve(account.id, account.tier)
        relay = self._relay(wanted, found, account, request_id)
        subprotocol = credential.subprotocol if credential else None
        return Acceptance(relay, subprotocol, {"x-request-id": request_id})

    def _relay(self, wanted: Target, found: Found, account: Account, request_id: str) -> Receiver:
        session_id = f"sess_{secrets.token_hex(12)}"
        identity = Identity(session_id, request_id, found.asked)
        meter = Meter(account.tier, self._clock())
        notices = (substituted(found),) if found.is_substitute else ()
        kind = TtsSession if wanted.kind == "tts" else SttSession
        session: Session = kind(identity, found.model, meter, notices)
        codecs: tuple[Codec, Codec] = (
            Server(wanted.style, session_id),
            Client(Style(wanted.kind, binary_audio=True, terminals="audio_end")),
        )

        def ended(code: int, reason: str) -> None:
            self._slots.release(account.id)
            del self._relays[session_id]
            if not self._relays:
                self._all_gone.set()
            log.info(
                "session",
                session=session_id,
                request=request_id,
                account=account.id,
                model=found.model.id,
                asked=found.asked,
                close_code=code,
                **json.decode(json.encode(meter.usage(self._clock()))),
            )

        relay = Relay(
            session,
            codecs,
            self._dialer(found),
            self._clock,
            account.tier.message_bytes,
            ended,
        )
        self._relays[session_id] = relay
        self._all_gone.clear()
        return Guarded(relay, session_id)

    async def run(self) -> None:
        """Let time pass for the sessions, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            for relay in list(self._relays.values()):
                relay.tick()

    async def drain(self, seconds: float) -> None:
        """Take nobody in any more; give the sessions so long to end, then end them."""
        self.is_draining = True
        if not self._relays:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._all_gone.wait()
        except TimeoutError:
            for relay in list(self._relays.values()):
                relay.end("draining")
            try:
                async with asyncio.timeout(3.0):
                    await self._all_gone.wait()
            except TimeoutError:
                log.warning("sessions left behind", sessions=len(self._relays))


def substituted(found: Found) -> Warning:
    """What a client is told when another model stands in for the one it asked for."""
    return Warning(
        "substituted",
        f"{found.asked} has no backend here: {found.model.id} answers in its place (--dev)",
        model=found.model.id,
    )
