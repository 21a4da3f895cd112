"""`voxway models`: what a gateway can do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import msgspec
import typer

from ..catalog import Public
from ..client.gateway import Gateway
from ..client.http import list_models


def run(gateway: Gateway, *, json: bool) -> None:
    """Show the models. Raises GatewayError."""
    models = asyncio.run(list_models(gateway))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(models)).decode())
    elif not models:
        typer.echo(f"voxway: the gateway at {gateway.http} has no models", err=True)
    else:
        show(models)


COLUMNS = ("model", "kind", "languages", "voices", "rates", "encodings", "capabilities")


def show(models: Sequence[Public]) -> None:
    """A table; for a pipe so wide that no line breaks."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*COLUMNS, box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for model in models:
        table.add_row(*row(model))
    Console(width=None if sys.stdout.isatty() else 400, highlight=False, markup=False).print(table)


def row(model: Public) -> tuple[str, ...]:
    rates = f"{model.min_rate}-{model.max_rate} ({model.default_rate})"
    lists = (model.languages, model.voices, model.encodings, model.capabilities)
    languages, voices, encodings, capabilities = (", ".join(items) or "-" for items in lists)
    return model.id, model.kind, languages, voices, rates, encodings, capabilities
