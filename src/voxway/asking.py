"""What a request says besides its path: regions, tags of the caller, a key for the provider.

Header names are lower case; a header wins over the query parameter of the same meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from .catalog import Preference, preference
from .errors import ProtocolError

MAX_TAG = 128  # characters
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,127}")


class Asked(Struct, frozen=True):
    """`place` is where the work should be done. The two ids are the caller's own, for logs and
    usage. `provider_key` is never logged, and sent to the provider that was asked for only."""

    place: Preference = Preference()
    agent_id: str = ""
    session_tag: str = ""
    provider_key: str = ""

    def __repr__(self) -> str:
        return f"Asked({self.place!r})"


def asked(headers: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Asked:
    """Read it all. Raises ProtocolError naming the header or parameter at fault."""
    parameters = dict(reversed(query))  # the first value of a name wins

    def value(header: str, parameter: str) -> str:
        return headers.get(header) or parameters.get(parameter, "")

    return Asked(
        preference(
            value("x-region-override", "region"), value("x-world-part-override", "world-part")
        ),
        _tag("x-slng-agent-id", headers),
        _tag("x-slng-session-id", headers),
        headers.get("x-slng-provider-key", "").strip(),
    )


def request_id_in(headers: Mapping[str, str]) -> str:
    """The client's own name for its request, or nothing if it has none that is fit for a log."""
    given = headers.get("x-request-id", "").strip()
    return given if REQUEST_ID.fullmatch(given) else ""


def stamped(request_id: str) -> dict[str, str]:
    """The headers by which every answer can be found again."""
    return {"x-request-id": request_id, "x-slng-request-id": request_id}


def _tag(name: str, headers: Mapping[str, str]) -> str:
    tag = headers.get(name, "").strip()
    if len(tag) > MAX_TAG:
        raise ProtocolError(f"{name} of {len(tag)} characters is over {MAX_TAG}", param=name)
    if "," in tag or any(ord(c) < 32 or ord(c) == 127 for c in tag):
        raise ProtocolError(f"{name} has a comma or a control character", param=name)
    return tag
