"""One line that tells how far it is, on a terminal's standard error; elsewhere nothing."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """A spinner and a text, gone when the block ends. `hidden`: something else writes there."""

    def __init__(self, text: str, *, hidden: bool = False) -> None:
        self._text = text
        self._hidden = hidden
        self._status: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and not self._hidden:
            from rich.console import Console

            self._status = Console(stderr=True).status(self._text)
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hide()

    def hide(self) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
