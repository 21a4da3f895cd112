"""Which model and which of its backends answer a request."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import get_args

from msgspec import Struct

from ..errors import GatewayError, ProtocolError
from .local import LOCAL
from .model import Backend, Kind, Model, Public, WorldPart, is_hosted, public
from .site import Site, expanded, lacking
from .wires import KNOWN_WIRES, Wire

REGION = re.compile(r"[a-z]{2}(-[a-z]+)*(-[0-9]{1,2})?")  # eu-north-1, us-east, au
WORLD_PARTS: tuple[str, ...] = get_args(WorldPart)
MAX_WISHES = 16


class Preference(Struct, frozen=True):
    """Where the client would like the work done, best first. Regions beat parts of the world."""

    regions: tuple[str, ...] = ()
    world_parts: tuple[str, ...] = ()


NO_PREFERENCE = Preference()


def preference(regions: str, world_parts: str) -> Preference:
    """From the texts of a request (`eu-north-1, us-east-1`). Raises ProtocolError."""
    return Preference(
        _wishes(regions, "region", is_region, "eu-north-1"),
        _wishes(world_parts, "world-part", WORLD_PARTS.__contains__, ", ".join(WORLD_PARTS)),
    )


def is_region(name: str) -> bool:
    """Whether a region could have this name."""
    return REGION.fullmatch(name) is not None


class Found(Struct, frozen=True):
    """The model that answers and those of its backends that can be used, best first.

    `asked` differs from its id only when another stands in for it. Addresses have their variables
    filled in. `client_key` says that the client's own provider key is for this model's provider:
    it must not be shown to any other.
    """

    model: Model
    asked: str
    backends: tuple[Backend, ...]
    client_key: bool = False

    @property
    def backend(self) -> Backend:
        return self.backends[0]

    @property
    def is_substitute(self) -> bool:
        return self.asked != self.model.id


class Lack(Struct, frozen=True):
    """What one backend lacks to be used here: nothing if it can be."""

    wire: str
    region: str
    world_part: str
    missing: tuple[str, ...]


class Catalog:
    """The models of this gateway. Never changes: a reload makes another."""

    def __init__(
        self,
        models: Iterable[Model],
        *,
        engines: Collection[str] = tuple(LOCAL),
        environ: Mapping[str, str] = {},
        dev: bool = False,
        wires: Mapping[str, Wire] = KNOWN_WIRES,
    ) -> None:
        self._models = {model.id: model for model in models}
        self._site = Site(engines, environ, wires)
        self._dev = dev

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def lacks(self, model: Model) -> tuple[Lack, ...]:
        """Each backend of a model with what it lacks."""
        return tuple(
            Lack(b.wire, b.region, b.world_part, lacking(model, b, self._site, client_key=False))
            for b in model.backends
        )

    def is_usable(self, model: Model) -> bool:
        """Whether one of its own backends can be used now."""
        return any(not lack.missing for lack in self.lacks(model))

    def answering(self, model: Model) -> Model | None:
        """Who answers for a model now: itself, one that stands in for it, or nobody."""
        return next((m for m in self._candidates(model, model.kind) if self.is_usable(m)), None)

    def public(self) -> tuple[Public, ...]:
        """Every model as clients may see it."""
        return tuple(public(model, self.is_usable(model)) for model in self)

    def find(
        self,
        kind: Kind,
        asked: str,
        preference: Preference = NO_PREFERENCE,
        *,
        byok: bool = False,
    ) -> Found:
        """Who answers for an id in a URL; `byok` when the client brings a provider key of its own.

        Raises ProtocolError(model_not_found) with near matches, and
        GatewayError(backend_not_configured) that says what is missing.
        """
        model = self._models.get(asked)
        if model is not None and model.kind != kind:
            message = f"model {asked!r} is for {model.kind}, not {kind}"
            raise ProtocolError(message, code="model_not_found")
        if byok and is_hosted(asked):
            message = "BYOK is only supported for external STT/TTS routes"  # clients know it so
            raise ProtocolError(message, param="X-Slng-Provider-Key")
        for candidate in self._candidates(model, kind):
            # The key is for the provider that was asked for, and for nobody else.
            own = byok and model is not None and candidate.provider == model.provider
            if backends := self._usable(candidate, preference, own):
                return Found(candidate, asked, backends, own)
        if model is None:
            raise ProtocolError(self._not_found(kind, asked), code="model_not_found")
        raise GatewayError(self._not_configured(model), code="backend_not_configured")

    def named(self, kind: Kind, provider: str, name: str, wire: str = "") -> str:
        """The id of what a client of a provider calls `name`: one of our ids, or the provider's
        own name of a model, of which longer forms are variants (`nova-3-medical`). Another name is
        left to the provider, and asked of its first model here. Of several, those come first that
        are met by the same wire."""
        if name in self._models:
            return name
        of_provider = [m for m in self if m.provider == provider and m.kind == kind]
        if own := [model for model in of_provider if not model.hosted]:
            of_provider = own
        of_provider.sort(key=lambda model: all(backend.wire != wire for backend in model.backends))
        fitting = [
            (len(backend.model), model.id)
            for model in of_provider
            for backend in model.backends
            if backend.wire != "unified" and backend.model and name.startswith(backend.model)
        ]
        if fitting:
            longest = max(length for length, _ in fitting)
            return next(id for length, id in fitting if length == longest)
        if not of_provider:
            raise ProtocolError(f"no {kind} model of {provider} here", code="model_not_found")
        return of_provider[0].id

    def entry(self, id: str) -> Model | None:
        """The entry of an id, if there is one."""
        return self._models.get(id)

    def _candidates(self, model: Model | None, kind: Kind) -> Iterator[Model]:
        if model is not None:
            yield model
            yield from map(self._models.__getitem__, model.fallback)
        if self._dev:
            yield from (m for m in self if m.kind == kind and m.id.startswith("local/"))

    def _usable(self, model: Model, wanted: Preference, own: bool) -> tuple[Backend, ...]:
        return tuple(
            expanded(backend, self._site.environ)
            for backend in ordered(model.backends, wanted)
            if not lacking(model, backend, self._site, client_key=own)
        )

    def _not_found(self, kind: Kind, asked: str) -> str:
        ids = [model.id for model in self if model.kind == kind]
        usable = [i for i in ids if self.is_usable(self._models[i])]
        near = difflib.get_close_matches(asked[:100], ids, n=3, cutoff=0.6) or usable[:3]
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return f"no {kind} model {asked[:100]!r} here{hint}"

    def _not_configured(self, model: Model) -> str:
        """What is missing: the variable, the engine, or the wire."""
        others = (self._models[other] for other in model.fallback)
        tried = [f"its fallback {other.id} neither: {self._reasons(other)}" for other in others]
        return "; ".join([f"model {model.id} cannot be used: {self._reasons(model)}", *tried])

    def _reasons(self, model: Model) -> str:
        return " or ".join(
            f"{lack.wire}{f' in {lack.region}' if lack.region else ''} ({', '.join(lack.missing)})"
            for lack in self.lacks(model)
        )


def ordered(backends: Iterable[Backend], wanted: Preference) -> list[Backend]:
    """Best first: where the client wants it, then those that serve every place, then the rest.

    A region that nobody has makes no part of the world count: it was meant to be exact.
    """
    by_region = bool(wanted.regions)
    rank = {place: i for i, place in enumerate(wanted.regions or wanted.world_parts)}

    def distance(backend: Backend) -> int:
        place = backend.region if by_region else backend.world_part
        return rank.get(place, len(rank) + 1) if place else len(rank)

    return sorted(backends, key=distance) if rank else list(backends)


def _wishes(text: str, param: str, is_known: Callable[[str], bool], like: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", text.lower()))))
    if len(names) > MAX_WISHES:
        raise ProtocolError(f"{param} has {len(names)} names, over {MAX_WISHES}", param=param)
    for name in names:
        if not is_known(name):
            raise ProtocolError(f"{name[:40]!r} is no {param} (as {like})", param=param)
    return names
