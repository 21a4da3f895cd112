"""`voxway usage`: what was used, added up."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer
from msgspec import Struct, structs

from . import keyring, models

if TYPE_CHECKING:
    from ..stores.reports import Line, Report

COUNTERS = (
    *("sessions", "characters", "cached", "audio_in", "audio_out", "messages"),
    *("provider_time", "duration", "ttfa", "cost"),
)


class Wish(Struct, frozen=True):
    """What is asked for, as the command line says it."""

    by: str
    since: str
    until: str
    organisation: str
    account: str


def run(wish: Wish, form: str) -> None:
    """Show what was used. Raises ProtocolError."""
    from ..stores.reports import question, report

    asked = structs.replace(
        question(wish.by, wish.since, wish.until),
        account=wish.account,
        organisation=wish.organisation,
    )
    found, by = keyring.at_home(lambda here: report(here.database, asked)), asked.by
    match form:
        case "json":
            models.print_json(found)
        case "csv":
            write_csv(by, found.data if by else (found.total,))
        case _:
            show(by, found)


def show(by: Sequence[str], found: Report) -> None:
    """A table with a total. What is nothing in all of it has no column."""
    if not found.total.sessions:
        typer.echo("voxway: nothing was used in this time", err=True)
        return
    names = [name for name in COUNTERS if getattr(found.total, name)]
    titles = [name.replace("_", " ") for name in names]
    totals = ("total", *("" for _ in by[1:])) if by else ()
    rows = [
        (*(str(getattr(line, name) or "-") for name in by), *numbers(line, names))
        for line in found.data
    ]
    total = (*totals, *numbers(found.total, names))
    models.show((*by, *titles), (*rows, total), titles)


def write_csv(by: Sequence[str], lines: Sequence[Line]) -> None:
    """For a spreadsheet: times in seconds, no total."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*by, *COUNTERS))
    for line in lines:
        writer.writerow([getattr(line, name) for name in (*by, *COUNTERS)])
    sys.stdout.flush()


def numbers(line: Line, names: Sequence[str]) -> Iterator[str]:
    """As people read them."""
    for name in names:
        match name, getattr(line, name):
            case _, None:
                yield "-"
            case "cost", cost:
                yield f"{cost:,.2f}"
            case "ttfa", seconds:
                yield f"{seconds * 1000:,.0f} ms"
            case _, float() as seconds:
                yield f"{seconds:,.1f} s"
            case _, count:
                yield f"{count:,}"
