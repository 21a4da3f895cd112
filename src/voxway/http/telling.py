"""What a request asked for and does not get, told in a header of the answer."""

from __future__ import annotations

from collections.abc import Sequence

from ..events import Warning

HEADER = "x-slng-warning"
MAX_TEXT = 200  # characters
# A header's value ends where its line does.
_PLAIN = {code: " " for code in (*range(32), 127)}


def told(warnings: Sequence[Warning]) -> dict[str, str]:
    """The header, if there is something to tell."""
    lines = (plain(f"{warning.code}: {warning.message}") for warning in warnings)
    return {HEADER: ", ".join(lines)} if warnings else {}


def plain(text: str) -> str:
    """A text as a header can hold it."""
    return text[:MAX_TEXT].translate(_PLAIN).encode("ascii", "replace").decode()
