"""Catalog files: their text as entries, and several of them as one catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from ..errors import ConfigError
from .document import convert, decode, fault, line_of
from .model import Model, Prices
from .rules import faults


class Entry(Struct, frozen=True):
    """A model, and where it stands."""

    model: Model
    place: str  # file:line


class Priced(Struct, frozen=True):
    """What a model costs, and where that stands."""

    id: str
    prices: Prices
    place: str


class Tables(Struct, frozen=True, forbid_unknown_fields=True):
    """What a catalog file holds. `prices` are of models by their ids, wherever those stand."""

    model: tuple[Model, ...] = ()
    prices: dict[str, dict[str, Any]] = {}


OURS = Tables.__struct_fields__


def parse(text: str, file: str, *, mixed: bool = False) -> tuple[Entry, ...]:
    """The `[[model]]` tables of a TOML text; `mixed` when it holds other settings, too.

    Raises ConfigError with the line and the reason.
    """
    models = _tables(text, file, mixed=mixed).model
    seen: dict[str, int] = {}
    for i, model in enumerate(models):
        for path, reason in faults(model):
            raise fault(text, file, ("model", i, *path), f"{model.id}: {reason}")
        if model.id in seen:
            reason = f"id {model.id!r} stands in line {seen[model.id]} already"
            raise fault(text, file, ("model", i, "id"), reason)
        seen[model.id] = line_of(text, ("model", i, "id"))
    return tuple(
        Entry(model, f"{file}:{line_of(text, ('model', i))}") for i, model in enumerate(models)
    )


def parse_prices(text: str, file: str, *, mixed: bool = False) -> tuple[Priced, ...]:
    """The `[prices]` of the same text. Raises ConfigError with the line and the reason."""
    return tuple(
        Priced(
            id,
            convert(table, Prices, text, file, ("prices", id)),
            f"{file}:{line_of(text, ('prices', id))}",
        )
        for id, table in _tables(text, file, mixed=mixed).prices.items()
    )


def _tables(text: str, file: str, *, mixed: bool) -> Tables:
    document = decode(text, file)
    if mixed:
        document = {name: value for name, value in document.items() if name in OURS}
    return convert(document, Tables, text, file)


def merged(layers: Iterable[Iterable[Entry]], prices: Iterable[Priced] = ()) -> tuple[Model, ...]:
    """One catalog: an entry replaces the whole of an earlier one of the same id, and later prices
    those of an entry.

    Raises ConfigError if a fallback leads nowhere, or prices are of no model.
    """
    entries = {entry.model.id: entry for layer in layers for entry in layer}
    for priced in prices:
        if (entry := entries.get(priced.id)) is None:
            raise ConfigError(
                f"{priced.place}: prices of {priced.id!r}, which is not in the catalog"
            )
        model = structs.replace(entry.model, prices=priced.prices)
        entries[priced.id] = Entry(model, entry.place)
    for entry in entries.values():
        for other in entry.model.fallback:
            if reason := _no_fallback(entry.model, other, entries):
                raise ConfigError(f"{entry.place}: {entry.model.id}: fallback {other!r} {reason}")
    return tuple(entry.model for entry in entries.values())


def _no_fallback(model: Model, other: str, entries: Mapping[str, Entry]) -> str:
    if other == model.id:
        return "is the model itself"
    if other not in entries:
        return "is not in the catalog"
    kind = entries[other].model.kind
    return "" if kind == model.kind else f"is for {kind}, not {model.kind}"
