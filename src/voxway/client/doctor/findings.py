"""What an examination finds, and what can be done about it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Status = Literal["ok", "warning", "problem", "skipped"]
# Who has to do something: where a way is closed, who refuses, or whatever does not work.
Fault = Literal["", "use", "unreachable", "refused", "failed"]


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check. A problem, and mostly a warning, has a `remedy`; `figures` are what was measured,
    with the unit in their names."""

    check: str
    status: Status
    message: str
    remedy: str = ""
    fault: Fault = ""
    figures: dict[str, float] = {}


class Report(Struct, frozen=True, kw_only=True):
    """All of an examination. `status` is that of its worst finding."""

    url: str
    status: Status
    findings: tuple[Finding, ...]

    @property
    def fault(self) -> Fault:
        """That of the first problem."""
        return next((each.fault for each in self.findings if each.status == "problem"), "")


class Hindrance(Exception):
    """A problem with which all that comes after it cannot be tried."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def ok(check: str, message: str, **figures: float) -> Finding:
    return Finding(check=check, status="ok", message=message, figures=rounded(figures))


def warning(check: str, message: str, remedy: str, **figures: float) -> Finding:
    return Finding(
        check=check, status="warning", message=message, remedy=remedy, figures=rounded(figures)
    )


def problem(check: str, message: str, remedy: str, fault: Fault, **figures: float) -> Finding:
    return Finding(
        check=check,
        status="problem",
        message=message,
        remedy=remedy,
        fault=fault,
        figures=rounded(figures),
    )


def skipped(check: str, message: str) -> Finding:
    return Finding(check=check, status="skipped", message=message)


def report(url: str, findings: tuple[Finding, ...]) -> Report:
    order: tuple[Status, ...] = ("problem", "warning")
    found = {finding.status for finding in findings}
    return Report(
        url=url,
        status=next((status for status in order if status in found), "ok"),
        findings=findings,
    )


def rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in figures.items()}
