"""The gateway: who may come in, which relay they get, and how it all ends.

It keeps no state but the open sessions. What is refused is refused before the upgrade, as HTTP with
a JSON body; a browser, which cannot read that, is told in the socket.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import structlog
from msgspec import Struct, structs

from .asking import asked, request_id_in, stamped
from .auth import Account, credential_of
from .catalog import Catalog, Found
from .direct import Direct, Plain
from .door import FIRST_BYTES, Doorstep, Farewell, refusal
from .entrance import Entrance, Leave
from .errors import AuthError, GatewayError, LimitError, ProtocolError
from .events import Pronunciation, Usage, Warning
from .guard import Guarded, contained
from .limits import Meter, Tier
from .net.base import Acceptance, Receiver, Refusal, Request
from .peers import Way
from .relay import Find, Relay, Session
from .routes import Target, adapted, dialect, target
from .session.actions import Brief, Identity
from .session.stt import SttSession
from .session.tts import TtsSession
from .stores.dictionaries import Dictionaries
from .stores.usage import Ledger
from .text.pronunciation import Rewriter
from .usage import Kind, opened
from .visit import Visit
from .wire.base import Dialect, Opening

log = structlog.get_logger("voxway")

TICK = 1.0  # seconds
Dialer = Callable[[Visit], Way]
Enter = Callable[[str], Awaitable[Leave]]  # given the id of a session


def new_session(visit: Visit, identity: Identity, meter: Meter) -> Session:
    """The state machine for a visit."""
    found = visit.found
    native = visit.wanted.native
    is_foreign = native is not None and native.provider != found.model.provider
    brief = Brief(
        identity,
        found.model,
        notices=visit.notices,
        is_lenient=found.is_substitute or is_foreign,
        closes_on_bad_start=visit.wanted.style.is_bridge or native is not None,
        quiet=native.quiet if native is not None else 0.0,
        client_key=found.client_key,
    )
    return TtsSession(brief, meter) if visit.wanted.kind == "tts" else SttSession(brief, meter)


class Open(Struct, frozen=True):
    """A session that goes on."""

    relay: Relay
    visit: Visit


class Gateway:
    """One per process. `dialer` gives, for a visit, the way to connect to what answers it."""

    def __init__(
        self,
        entrance: Entrance,
        catalog: Catalog,
        dialer: Dialer,
        clock: Callable[[], float] = time.monotonic,
        dictionaries: Dictionaries | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._entrance = entrance
        self.catalog = catalog  # replaced by a reload; open sessions keep what they found
        self._dialer = dialer
        self._clock = clock
        self._dictionaries = dictionaries or Dictionaries()
        self._ledger = ledger
        self._open: dict[str, Open] = {}
        self._all_gone = asyncio.Event()
        self.is_draining = False

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._open)

    async def accept(self, request: Request) -> Refusal | Acceptance:
        """Let a WebSocket in, or say why not. Never raises."""
        request_id = request_id_in(request.headers) or f"req_{secrets.token_hex(12)}"
        wanted = target(request.path, request.subprotocols)
        native = wanted.native if wanted is not None else None
        spoken = wanted.subprotocol if wanted is not None else ""
        try:
            if native is not None and native.key_in is not None and not credential_of(request):
                ask = partial(self._admit_late, request, request_id)
                door = Doorstep(ask, native, self._entrance.stand(request))
                return Acceptance(
                    door, spoken or None, stamped(request_id), FIRST_BYTES, door.oversized
                )
            return await self._admit(request, request_id)
        except GatewayError as error:
            log.info("refused", code=error.error, request=request_id, peer=request.peer)
            if "origin" in request.headers or (native is not None and native.is_polite):
                return self._farewell(error, request, wanted, request_id)
            return refusal(error, request_id, native)

    def _farewell(
        self, error: GatewayError, request: Request, wanted: Target | None, request_id: str
    ) -> Refusal | Acceptance:
        """Let somebody in to be told why not, unless there are too many of them."""
        native = wanted.native if wanted is not None else None
        spoken = wanted.subprotocol if wanted is not None else ""
        try:
            leave = self._entrance.stand(request)
        except LimitError as full:
            return refusal(full, request_id, native)
        agreed = spoken or next(iter(request.subprotocols), None)
        return Acceptance(Farewell(error, native, leave, spoken), agreed, max_message=FIRST_BYTES)

    async def _admit(self, request: Request, request_id: str) -> Acceptance:
        account = await self._entrance.account(request)
        visit = self.visit(request, request_id, account)
        if request.headers.get("sec-websocket-version") != "13":
            raise ProtocolError("a WebSocket of version 13 is needed", param="upgrade")
        credential = credential_of(request)
        subprotocol = credential.subprotocol if credential else None
        subprotocol = visit.wanted.subprotocol or subprotocol
        headers = stamped(request_id)
        if (native := visit.wanted.native) is not None:
            headers = {**headers, **native.headers(request_id)}
        visit, codec = self._dialect(visit, request)
        enter = partial(self._entrance.let_in, account, request)
        guarded, relay = await self._begin("websocket", visit, codec, account.tier, enter)
        oversized = partial(guarded.run, relay.oversized)
        tier = account.tier
        return Acceptance(
            guarded, subprotocol, headers, tier.message_bytes, oversized, tier.heartbeat
        )

    async def _admit_late(self, request: Request, request_id: str, key: str) -> Acceptance:
        """Let somebody in whose key came in the first message."""
        headers = {**request.headers, "authorization": f"Bearer {key}"} if key else request.headers
        return await self._admit(structs.replace(request, headers=headers), request_id)

    def visit(
        self,
        request: Request,
        request_id: str,
        account: Account,
        wanted: Target | None = None,
    ) -> Visit:
        """What an account asks for, by a socket or over HTTP; `wanted` if the URL does not tell.
        Raises GatewayError if it cannot be."""
        if self.is_draining:
            raise GatewayError("the gateway is going down", code="draining", retry_after=5.0)
        wanted = wanted or target(request.path, request.subprotocols)
        if wanted is None:
            raise ProtocolError(f"no route {request.path[:200]!r}", code="model_not_found")
        if (native := wanted.native) is not None:
            named = wanted.named or request.parameter(native.names_model) or ""
            model = self.catalog.named(wanted.kind, wanted.provider, named, wanted.wire)
            # An id of ours is no name that the provider would know.
            wanted = structs.replace(wanted, model=model, named="" if model == named else named)
        else:
            wanted = adapted(wanted, request.headers, request.parameter("audio"))
        wishes = asked(request.headers, request.query)
        found = self.catalog.find(
            wanted.kind, wanted.model, wishes.place, byok=bool(wishes.provider_key)
        )
        account.check(wanted.kind, found.asked)
        notices = [substituted(found)] if found.is_substitute else []
        if native is not None:
            notices += repeated(native.names_model, request)
        language = request.parameter("language")
        return Visit(wanted, found, account, request_id, wishes, language, notices=tuple(notices))

    async def converse(self, visit: Visit) -> Direct:
        """A session without a socket, for an HTTP request. Raises GatewayError."""
        direct = Direct()
        direct.open(await self.attend(visit))
        return direct

    async def attend(self, visit: Visit) -> Receiver:
        """The same for a client that speaks the vocabulary itself: the receiver of its commands.
        Raises GatewayError."""
        enter = partial(self._entrance.let_work, visit.account)
        tier = visit.account.tier.for_http()
        return (await self._begin("http", visit, Plain(), tier, enter))[0]

    def _dialect(self, visit: Visit, request: Request) -> tuple[Visit, Dialect]:
        """What is spoken on a socket, and under which tag. Raises GatewayError."""
        context_id = str(uuid.uuid4())
        opening = Opening(
            tuple(request.query),
            visit.wanted.parts,
            visit.request_id,
            visit.found.asked,
            datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            visit.wanted.subprotocol,
        )
        entry = self.catalog.entry(visit.found.asked)
        codec = dialect(visit.wanted, opening, entry, context_id, visit.language)
        return structs.replace(visit, context_id=context_id), codec

    async def _begin(
        self, kind: Kind, visit: Visit, codec: Dialect, tier: Tier, enter: Enter
    ) -> tuple[Guarded, Relay]:
        self._check_spending(visit)
        session_id = f"sess_{secrets.token_hex(12)}"
        meter = Meter(tier, self._clock())
        identity = Identity(session_id, visit.request_id, visit.found.asked, visit.context_id)
        session, way = new_session(visit, identity, meter), self._dialer(visit)
        leave = await enter(session_id)

        def used() -> Usage:
            usage = meter.usage(self._clock())
            # Those in which an HTTP request is put to the session are not the client's.
            return structs.replace(usage, messages=0) if kind == "http" else usage

        def ended(code: int, reason: str) -> None:
            leave()
            del self._open[session_id]
            if not self._open:
                self._all_gone.set()
            if self._ledger is not None:
                outcome = session.outcome.told(kind, code)
                self._ledger.close(session_id, outcome, code if kind == "websocket" else None)
            told = visit.log(session.tag, used())
            log.info("session", session=session_id, close_code=code, **told)

        find = finder(self._dictionaries, visit.account.id)
        relay = Relay(session, codec, way, self._clock, tier.message_bytes, ended, find)
        self._open[session_id] = Open(relay, visit)
        self._all_gone.clear()
        if self._ledger is not None:
            self._ledger.open(opened(visit, session_id, kind, datetime.now(UTC)), used)
        return Guarded(relay, session_id), relay

    def _check_spending(self, visit: Visit) -> None:
        """Raises QuotaError if somebody else would pay for what cannot be paid any more."""
        if self._ledger is not None and not visit.found.client_key:
            self._ledger.spending.check(visit.account.organisation)

    def end_keys(self, keys: frozenset[str]) -> None:
        """End the sessions of keys, by their ids, that are good no more."""
        for session_id, each in tuple(self._open.items()):
            if each.visit.account.key in keys:
                with contained(session_id, partial(each.relay.end, "internal_error")):
                    each.relay.fail(AuthError("this API key was revoked, or has expired"))

    async def run(self) -> None:
        """Let time pass for the sessions, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            for each in tuple(self._open.values()):
                each.relay.tick()

    async def drain(self, seconds: float) -> None:
        """Take nobody in any more; give the sessions so long to end, then end them."""
        self.is_draining = True
        if not self._open:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._all_gone.wait()
        except TimeoutError:
            for each in tuple(self._open.values()):
                each.relay.end("draining")
            try:
                async with asyncio.timeout(3.0):
                    await self._all_gone.wait()
            except TimeoutError:
                log.warning("sessions left behind", sessions=len(self._open))


def finder(dictionaries: Dictionaries, account_id: str) -> Find:
    """How to look up a dictionary of one account."""

    async def find(reference: Pronunciation) -> Rewriter:
        return await dictionaries.rewriter(account_id, reference.name, reference.dictionary_id)

    return find


def repeated(name: str, request: Request) -> list[Warning]:
    """What a client is told that names its model more than once, as nobody means to."""
    count = sum(each == name for each, _ in request.query)
    message = f"{name} stands {count} times in the URL: the first one counts"
    return [Warning("ignored", message, name)] if count > 1 else []


def substituted(found: Found) -> Warning:
    """What a client is told when another model stands in for the one it asked for."""
    return Warning(
        "substituted",
        f"{found.asked} has no backend here: {found.model.id} answers in its place (--dev)",
        model=found.model.id,
    )
