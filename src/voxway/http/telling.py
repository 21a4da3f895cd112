"""What a request asked for and does not get, told in a header of the answer."""

from __future__ import annotations

from collections.abc import Sequence

from ..events import Warning

HEADER = "x-slng-warning"
MAX_TEXT = 200  # characters of one warning
# A header's value ends where its line does.
_PLAIN = {code: " " for code in (*range(32), 127)}


def told(warnings: Sequence[Warning]) -> dict[str, str]:
    """The header, if there is something to tell."""
    return {HEADER: ", ".join(map(_plain, warnings))} if warnings else {}


def _plain(warning: Warning) -> str:
    text = f"{warning.code}: {warning.message}"[:MAX_TEXT].translate(_PLAIN)
    return text.encode("ascii", "replace").decode()
