"""What of the optional packages is not installed."""

from __future__ import annotations

from ..client.extras import missing

__all__ = ["missing"]
