"""`voxway models`: what a gateway can do; with --check, what one would here, and what it lacks."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Iterable, Sequence

import msgspec
import typer
from msgspec import Struct

from .. import config
from ..catalog import Catalog, Lack, Model, Public
from ..client.gateway import Gateway
from ..client.http import list_models


def run(gateway: Gateway, *, json: bool) -> None:
    """Show the models. Raises GatewayError."""
    models = asyncio.run(list_models(gateway))
    if json:
        print_json(models)
    elif not models:
        typer.echo(f"voxway: the gateway at {gateway.http} has no models", err=True)
    else:
        show(COLUMNS, map(row, models))


def print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


COLUMNS = ("model", "kind", "languages", "voices", "rates", "encodings", "capabilities")


def show(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str] = ()
) -> None:
    """A table; for a pipe so wide that no line breaks. Columns of `numbers` are set right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
        column.justify = "right" if column.header in numbers else "left"
    table.columns[0].no_wrap = True
    for cells in rows:
        table.add_row(*cells)
    Console(width=None if sys.stdout.isatty() else 400, highlight=False, markup=False).print(table)


def row(model: Public) -> tuple[str, ...]:
    rates = f"{model.min_rate}-{model.max_rate} ({model.default_rate})"
    lists = (model.languages, model.voices, model.encodings, model.capabilities)
    languages, voices, encodings, capabilities = (", ".join(items) or "-" for items in lists)
    return model.id, model.kind, languages, voices, rates, encodings, capabilities


class Checked(Struct, frozen=True):
    """A model of the catalog; `answered_by` is itself, who stands in for it, or nobody."""

    id: str
    kind: str
    usable: bool
    answered_by: str | None
    backends: tuple[Lack, ...]


def check(*, json: bool) -> None:
    """Show what each model of the catalog lacks here, without a gateway. Raises ConfigError."""
    settings = config.load(os.environ)
    catalog = config.load_catalog(settings, os.environ)
    models = [checked(catalog, model) for model in catalog]
    if json:
        print_json(models)
    else:
        show(CHECKED, (cells for model in models for cells in checked_rows(model)))
        usable = sum(model.usable for model in models)
        typer.echo(f"{usable} of {len(models)} models can be used now")


def checked(catalog: Catalog, model: Model) -> Checked:
    answering = catalog.answering(model)
    return Checked(
        model.id,
        model.kind,
        catalog.is_usable(model),
        answering.id if answering else None,
        catalog.lacks(model),
    )


CHECKED = ("model", "kind", "usable", "wire", "region", "what is missing")


def checked_rows(model: Checked) -> Iterable[tuple[str, ...]]:
    """One a backend, and one more if another model stands in."""
    for lack in model.backends:
        usable, missing = "no" if lack.missing else "yes", ", ".join(lack.missing)
        place = lack.region or lack.world_part or "-"
        yield model.id, model.kind, usable, lack.wire, place, missing or "-"
    if model.answered_by not in (None, model.id):
        yield model.id, model.kind, "yes", "-", "-", f"answered by {model.answered_by}"
