"""Recorded sockets give the events that are written beside them; see `tools.golden`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.golden import RECORDINGS, Named, events_of, read_recording
from wire.test_wires import WIRES, every

FOUND = [
    (named, path) for named in WIRES for path in sorted((RECORDINGS / named.name).glob("*.jsonl"))
]


@every()
def test_every_wire_has_a_recording(named: Named) -> None:
    sides = {line.by for wire, path in FOUND if wire is named for line in read_recording(path)}
    assert sides == {"client", "server"}


def test_every_recording_is_of_a_wire() -> None:
    assert set(RECORDINGS.glob("*/*.jsonl")) == {path for _, path in FOUND}
    golden = {path.with_suffix(".jsonl") for path in RECORDINGS.glob("*/*.events")}
    assert golden <= {path for _, path in FOUND}


@pytest.mark.parametrize(
    ("named", "path"), FOUND, ids=[f"{named.name}/{path.stem}" for named, path in FOUND]
)
def test_a_recording_gives_the_events_beside_it(named: Named, path: Path) -> None:
    golden = path.with_suffix(".events")
    assert golden.exists(), "write it with `python -m tools.golden`, and read what it says"
    told = events_of(named.wire, read_recording(path))
    assert told == golden.read_text()
    assert "< Malformed" not in told, "what a provider says is never wrong"


def test_what_is_compared_tells_one_frame_from_another() -> None:
    """The comparison can fail: other frames, other events."""
    for named, path in FOUND:
        request, *lines = read_recording(path)
        told = events_of(named.wire, [request, *lines])
        assert "> " in told, path
        assert "< " in told, path
        assert events_of(named.wire, [request]) != told
