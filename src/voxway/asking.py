"""What a request says besides its path: regions, tags of the caller, a key for the provider.

Header names are lower case; a header wins over the query parameter of the same meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from .errors import ProtocolError

WORLD_PARTS = ("na", "eu", "eu-non-eu", "ap", "me")
MAX_TAG = 128  # characters
REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+){0,3}")


class Asked(Struct, frozen=True):
    """`regions` and `world_parts` in order of preference; both empty: anywhere. The two ids are the
    caller's own, for logs and usage. `provider_key` is never logged or sent elsewhere."""

    regions: tuple[str, ...] = ()
    world_parts: tuple[str, ...] = ()
    agent_id: str = ""
    session_tag: str = ""
    provider_key: str = ""

    def __repr__(self) -> str:
        return f"Asked({self.regions!r}, {self.world_parts!r})"


def asked(headers: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Asked:
    """Read it all. Raises ProtocolError naming the header or parameter at fault."""
    parameters = dict(reversed(query))  # the first value of a name wins

    def value(header: str, parameter: str) -> str:
        return headers.get(header) or parameters.get(parameter, "")

    regions = _list(value("x-region-override", "region"))
    for region in regions:
        if not REGION.fullmatch(region) or len(region) > 32:
            raise ProtocolError(f"region {region[:40]!r} is not a region's name", param="region")
    parts = _list(value("x-world-part-override", "world-part"))
    for part in parts:
        if part not in WORLD_PARTS:
            raise ProtocolError(
                f"world-part {part[:40]!r} is not one of {', '.join(WORLD_PARTS)}",
                param="world-part",
            )
    return Asked(
        regions,
        # A region is the narrower wish: with one, the part of the world has no say.
        () if regions else parts,
        _tag("x-slng-agent-id", headers),
        _tag("x-slng-session-id", headers),
        headers.get("x-slng-provider-key", "").strip(),
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def _tag(name: str, headers: Mapping[str, str]) -> str:
    tag = headers.get(name, "").strip()
    if len(tag) > MAX_TAG:
        raise ProtocolError(f"{name} of {len(tag)} characters is over {MAX_TAG}", param=name)
    if "," in tag or any(ord(c) < 32 or ord(c) == 127 for c in tag):
        raise ProtocolError(f"{name} has a comma or a control character", param=name)
    return tag
