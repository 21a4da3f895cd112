"""The results as a table on the terminal and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from .machine import Machine

HEADER = ("measure", "result", "bound", "")

INTRODUCTION = """\
# Benchmarks

Written by `make bench` on {date}; do not edit. Run it again with `make bench` (a few minutes), or
`make bench ARGS=--quick` (under a minute, leaves this page alone). `--check` makes a missed bound
an error. It needs Linux, since it reads `/proc`, and no network.

It starts the gateway as its users do (`voxway serve`, the embedded engines, an API key) and
measures from outside. Each figure is the median of several measurements unless it says otherwise;
a bound is what the project promises. Everything (gateway, engines, clients) shares the cores of
one machine, so absolute times are worse than on a server of its own: compare ratios.

## The machine

{machine}
"""


class Row(Struct, frozen=True):
    """One figure. `passes` is None where there is no bound."""

    measure: str
    result: str
    meaning: str
    bound: str = ""
    passes: bool | None = None

    @property
    def verdict(self) -> str:
        return "" if self.passes is None else "pass" if self.passes else "FAIL"


class Section(Struct, frozen=True):
    """Figures that belong together, and how they were taken."""

    title: str
    method: str
    rows: Sequence[Row]
    others: float = 0.0

    @property
    def noise(self) -> str:
        return f"other processes took {self.others:.0%} of the machine meanwhile"


def terminal(sections: Iterable[Section]) -> str:
    """All sections as plain tables."""
    lines: list[str] = []
    for section in sections:
        cells = [HEADER, *((r.measure, r.result, r.bound, r.verdict) for r in section.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
        lines += ["", f"{section.title} ({section.noise})"]
        for row in cells:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(("  " + "  ".join(padded)).rstrip())
    return "\n".join(lines)


def page(machine: Machine, sections: Iterable[Section]) -> str:
    """docs/benchmarks.md."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine.facts())
    parts = [INTRODUCTION.format(date=machine.date, machine=facts)]
    for section in sections:
        rows = "\n".join(
            f"| {r.measure} | {r.result} | {r.bound} | {r.verdict} | {r.meaning} |"
            for r in section.rows
        )
        parts.append(
            f"## {section.title}\n\n{section.method} (In this run {section.noise}.)\n\n"
            f"| measure | result | bound | | what it means |\n|---|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)
