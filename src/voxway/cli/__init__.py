"""The command line. What it needs is no part of the base install, which is the client."""

from __future__ import annotations

import sys


def run() -> None:
    """The entry point: says what to install, if it is not there."""
    try:
        from . import main

        main.run()
    except ModuleNotFoundError as error:
        missing = (error.name or __name__).partition(".")[0]
        if missing == "voxway":
            raise
        print(f"voxway: {missing} is not installed: pip install 'voxway[all]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # while it was still being loaded
        sys.exit(130)
