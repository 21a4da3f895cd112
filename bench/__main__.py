"""Run the measurements: print them, and after a full run write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable
from pathlib import Path

import uvloop
from msgspec import structs

from .admission import admission
from .footprint import footprint
from .hearing import hearing
from .load import load
from .machine import busy, this_machine
from .path import path
from .process import gateway
from .report import Section, page, terminal
from .scale import FULL, QUICK, Scale
from .speech import crowd, first_audio

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

# Those that share one gateway with the embedded engines, in this order; the others bring their own.
EMBEDDED = {
    "footprint": footprint,
    "first-audio": first_audio,
    "crowd": crowd,
    "hearing": hearing,
}
OTHERS = {"path": path, "load": load, "admission": admission}
NAMES = (*EMBEDDED, *OTHERS)


async def measure(wanted: set[str], scale: Scale) -> list[Section]:
    """The sections asked for, in their order."""
    sections: list[Section] = []
    if wanted & EMBEDDED.keys():
        async with gateway() as running:
            for name, section in EMBEDDED.items():
                if name in wanted:
                    sections.append(await _watched(name, section(running, scale)))
    for name, other in OTHERS.items():
        if name in wanted:
            sections.append(await _watched(name, other(scale)))
    return sections


async def _watched(name: str, section: Awaitable[Section]) -> Section:
    """Measure, and note what else the machine had to do."""
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    before = busy()
    measured = await section
    return structs.replace(measured, others=busy().others_since(before))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="under a minute; writes no page")
    parser.add_argument("--check", action="store_true", help="exit 1 if a bound is missed")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(NAMES):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return given


def main() -> int:
    given = arguments()
    if not sys.platform.startswith("linux"):
        print("bench: it reads /proc, so it runs on Linux only", file=sys.stderr)
        return 2
    machine = this_machine()
    scale = QUICK if given.quick else FULL
    sections = uvloop.run(measure(set(given.sections or NAMES), scale))
    print(terminal(sections))
    if not given.quick and not given.sections:
        PAGE.write_text(page(machine, sections))
        print(f"\nwritten to {PAGE}")
    missed = [row.measure for section in sections for row in section.rows if row.passes is False]
    if missed:
        print(f"\nmissed: {', '.join(missed)}")
    return 1 if missed and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
