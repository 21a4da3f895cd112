"""`voxway doctor`: what is between here and a gateway, what hinders it, and what helps."""

from __future__ import annotations

import asyncio
import os
import sys

import typer

from ..client.doctor import Finding, Patient, Report, examine, report
from ..client.gateway import Gateway, find_gateway
from . import exits
from .models import print_json
from .progress import Progress

_MARKS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM", "skipped": "skipped"}
_CODES = {
    "": exits.OK,
    "use": exits.WRONG_USE,
    "unreachable": exits.UNREACHABLE,
    "refused": exits.REFUSED,
    "failed": exits.FAILED,
}
_COLOURS = {"warning": typer.colors.YELLOW, "problem": typer.colors.RED}


def run(url: str, key: str, ca: str, *, speaks: bool, voice: str, ear: str, json: bool) -> None:
    """Examine, and leave with the exit code of the first problem. Raises ConfigError."""
    gateway = find_gateway(url, key, ca)
    raw, source = given_key(key, gateway)
    patient = Patient(
        gateway=gateway,
        raw_key=raw,
        key_source=source,
        speaks=speaks,
        voice=voice,
        ear=ear,
    )
    found = asyncio.run(_examined(patient, json=json))
    if json:
        print_json(found)
    else:
        typer.echo(_summary(found))
    sys.exit(_CODES[found.fault])


def given_key(key: str, gateway: Gateway) -> tuple[str, str]:
    """The key as it was given, before anybody mends it, and where."""
    if key:
        return key, "in --key"
    if given := os.environ.get("VOXWAY_API_KEY", ""):
        return given, "in VOXWAY_API_KEY"
    return gateway.key, "that a gateway on this machine made for itself"


async def _examined(patient: Patient, *, json: bool) -> Report:
    findings: list[Finding] = []
    with Progress("examining…", hidden=json) as progress:
        async for finding in examine(patient):
            findings.append(finding)
            if not json:
                progress.hide()
                show(finding)
    return report(patient.gateway.url, tuple(findings))


def show(finding: Finding) -> None:
    mark = typer.style(f"{_MARKS[finding.status]:<8}", fg=_COLOURS.get(finding.status))
    typer.echo(f"{mark} {finding.check:<9} {finding.message}")
    if finding.remedy:
        typer.echo(f"{'':<18} -> {finding.remedy}")


def _summary(found: Report) -> str:
    match found.status:
        case "ok":
            return f"All is well between here and {found.url}."
        case "warning":
            return f"{found.url} can be used, but see the warnings."
        case _:
            return f"{found.url} cannot be used as it is."
