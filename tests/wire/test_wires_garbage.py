"""What a stranger may send to any wire gives events of the right types, and nothing else.

Strangers are clients and providers alike. Frames are nonsense, nearly right (a message with one
field that is wrong: of each struct that a wire declares, and of each frame that its codecs say),
or right but out of place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, inspect

from tools.golden import ADDRESS, Named
from voxway import events as e
from voxway.errors import ProtocolError
from voxway.wire import unified
from voxway.wire.base import Codec, Dialect, Frame, Opening, decode
from voxway.wire.http import no_dialect
from voxway.wire.mixed import Mixed, open_with, owns
from wire.pair import Pair
from wire.test_wires import backend_for, every, options_for, start
from wire.typed import faults


def codecs(named: Named) -> dict[str, Codec]:
    """Both sides of a socket on which nothing was said, and of one that is in use."""
    options = options_for(named)
    client = named.wire.client(options, ADDRESS)
    if named.wire.server is no_dialect:
        return {"client": client}
    used = conversation(named)
    return {
        "server": start_nothing(named).server,
        "server of two dialects": mixed(named),
        "client": client,
        "used server": used.server,
        "used client": used.client,
    }


def mixed(named: Named) -> Dialect:
    """The wire beside the unified one, on a socket that takes both."""
    opening = start_nothing(named).opening
    return Mixed(unified.Server(unified.Style(named.wire.task)), [named.wire], open_with(opening))


def start_nothing(named: Named) -> Pair:
    return Pair(named.wire, options_for(named), backend_for(named))


def conversation(named: Named) -> Pair:
    """A socket in the middle of its second utterance, or of its first if it carries but one."""
    pair = start(named)
    if named.wire.task == "stt":
        pair.say(pair.sound("Good morning."), pair.sound("What a"), e.Flush())
        pair.say(pair.sound("fine day."), e.KeepAlive())
    elif named.wire.policy.per_utterance:
        pair.say(e.Text("Hello.", partial=False), e.KeepAlive())
    else:
        pair.say(e.Text("Hello.", partial=False), e.Flush())
        pair.say(e.Text("Again.", partial=False), e.KeepAlive())
    return pair


def check(codec: Codec, frame: Frame, who: str) -> None:
    for event in decode(codec, frame):
        assert isinstance(event, e.Event), (who, frame, event)
        assert faults(event) == [], (who, frame)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**18, 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
HARD = (
    "",
    " ",
    "\0",
    "\ud800",
    '"\\ud800"',
    '{"text":"\\ud800"}',
    '{"type":"\\ud800"}',
    "null",
    "17",
    "1e999",
    "-1e999",
    "NaN",
    "9" * 5000,
    "[" * 100_000,
    '{"a":' * 100_000,
    "{" + '"a":[' * 2000 + "]" * 2000 + "}",
    "{}",
    "[]",
    '{"type":null}',
    '{"type":[]}',
    '{"type":{}}',
    '{"type":1e999}',
    '{"":""}',
    "\ufeff{}",
    "a" * 1_000_000,
    b"",
    b"\0",
    b"\xff\xfe",
    b"{}",
    b'{"type":"flush"}',
    bytes(1_000_001),
)


@pytest.mark.parametrize("frame", HARD, ids=range(len(HARD)))
@every(http=True)
def test_frames_that_break_parsers(named: Named, frame: Frame) -> None:
    for who, codec in codecs(named).items():
        check(codec, frame, who)
        check(codec, frame, who)


@settings(max_examples=20, deadline=None)
@given(frames=st.lists(st.text() | st.binary() | JSON.map(json.dumps), max_size=4))
@every(http=True)
def test_nonsense(named: Named, frames: list[Frame]) -> None:
    for who, codec in codecs(named).items():
        for frame in frames:
            check(codec, frame, who)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
@every(http=True)
def test_objects_with_the_right_names(named: Named, data: st.DataObject) -> None:
    names, tags = vocabulary(named.module)
    frames = data.draw(
        st.lists(
            st.dictionaries(st.sampled_from(names), st.sampled_from(tags) | JSON, max_size=6),
            max_size=4,
        )
    )
    for who, codec in codecs(named).items():
        for frame in frames:
            check(codec, json.dumps(frame), who)


@every(http=True)
def test_messages_with_one_field_that_is_wrong(named: Named) -> None:
    """Of every struct that is declared for the wire, said to both sides."""
    for struct in structs(named.module):
        for at, message in enumerate(spoilt(valid(inspect.type_info(struct)))):
            if at % 10 == 0:  # before a message that ends everything makes the rest easy
                sides = codecs(named)
            for who, codec in sides.items():
                check(codec, json.dumps(message), who)


@every()
def test_frames_of_a_conversation_with_one_field_that_is_wrong(named: Named) -> None:
    """In their place, and then the right one after it."""
    for at, (by, frame) in enumerate(frames := conversation(named).frames):
        for wrong in spoilt_frames(frame):
            client = named.wire.client(options_for(named), ADDRESS)
            readers: dict[str, Codec] = {"client": start_nothing(named).server, "server": client}
            for said_by, said in frames[:at]:
                check(readers[said_by], said, said_by)
            check(readers[by], wrong, by)
            check(readers[by], frame, by)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
@every()
def test_frames_of_a_conversation_in_any_order(named: Named, data: st.DataObject) -> None:
    said = [frame for _, frame in conversation(named).frames]
    order = data.draw(st.lists(st.sampled_from(said), max_size=12))
    for who, codec in codecs(named).items():
        for frame in order:
            check(codec, frame, who)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
@every()
def test_a_url_that_is_wrong_is_refused_by_name_or_taken(named: Named, data: st.DataObject) -> None:
    right = start_nothing(named).opening
    names = [*vocabulary(named.module)[0], *dict(right.query), "x"]
    values = st.text() | st.sampled_from(
        ["", "-1", "1e999", "9" * 400, "true", "null", "nan", "a,b"]
    )
    wrong = data.draw(st.lists(st.tuples(st.sampled_from(names), values), max_size=4).map(tuple))
    kept = tuple(pair for pair in right.query if data.draw(st.booleans()))
    server = opened(named, msgspec.structs.replace(right, query=(*wrong, *kept)))
    if server is None:
        return
    for command in server.opening():
        assert faults(command) == []
    for by, frame in conversation(named).frames:
        if by == "client":
            check(server, frame, by)


def opened(named: Named, opening: Opening) -> Dialect | None:
    """None: it was refused. Any other exception than that is a bug."""
    try:
        return named.wire.server(opening)
    except ProtocolError:
        return None


@settings(max_examples=20, deadline=None)
@given(frame=st.text() | st.binary() | JSON.map(json.dumps))
@every()
def test_a_key_is_looked_for_in_any_frame(named: Named, frame: Frame) -> None:
    if named.wire.key_in is not None:
        for given_frame in (frame, *HARD):
            assert isinstance(named.wire.key_in(given_frame), str)


@settings(max_examples=20, deadline=None)
@given(frame=st.text() | JSON.map(json.dumps))
@every()
def test_any_text_has_an_owner(named: Named, frame: str) -> None:
    for given_frame in (frame, *(hard for hard in HARD if isinstance(hard, str))):
        assert owns(named.wire.marks, given_frame) in (True, False)


WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**400,
    2**63,
    1.5,
    -1e308,
    "",
    " ",
    "%%%",
    "AAA",
    "\ud800",
    "\0",
    "-1",
    "x" * 10_000,
    [],
    [None],
    {},
    {"type": "x"},
)


SCALARS: dict[type[inspect.Type], Any] = {
    inspect.DictType: {},
    inspect.BytesType: "AAAA",
    inspect.BoolType: True,
    inspect.IntType: 1,
    inspect.FloatType: 1.5,
    inspect.NoneType: None,
}


def structs(module: ModuleType) -> list[type[Struct]]:
    """Those that are messages or parts of them: the rest cannot be said in JSON."""
    return [
        value
        for part in sorted(parts_of(module.__name__))
        for value in vars(sys.modules[part]).values()
        if isinstance(value, type)
        and issubclass(value, Struct)
        and value.__module__ == part
        and not can_hold_objects(value)
    ]


@cache
def parts_of(module: str) -> frozenset[str]:
    """The modules that a wire is made of, by what it imports."""
    found, new = set[str](), {module}
    while new:
        found |= new
        values = [value for name in new for value in vars(sys.modules[name]).values()]
        names = {getattr(value, "__module__", None) or "" for value in values}
        names |= {value.__name__ for value in values if isinstance(value, ModuleType)}
        new = {name for name in names if name.startswith("voxway.wire.")} - found - SHARED
    return frozenset(found)


SHARED = {"voxway.wire.base", "voxway.wire.policies"}


def can_hold_objects(struct: type[Struct]) -> bool:
    try:
        return "CustomType" in repr(inspect.type_info(struct))
    except TypeError:
        return True


@cache
def vocabulary(module: ModuleType) -> tuple[list[str], list[Any]]:
    """The names of all fields, and the values that tell messages apart."""
    names: set[str] = {"type"}
    tags: set[Any] = {""}
    for struct in structs(module):
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType)
        names |= {field.encode_name for field in info.fields}
        if info.tag_field:
            names.add(info.tag_field)
            tags.add(info.tag)
    return sorted(names), sorted(tags, key=str)


def valid(info: inspect.Type) -> Any:
    """A value of this type, as JSON has it, with every field that it may have."""
    match info:
        case inspect.StructType(fields=fields, tag_field=tag_field, tag=tag):
            message = {field.encode_name: valid(field.type) for field in fields}
            return ({tag_field: tag} if tag_field else {}) | message
        case inspect.UnionType(types=types):
            return valid(next(t for t in types if not isinstance(t, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return [valid(item)]
        case inspect.Metadata(type=inner):
            return valid(inner)
        case _:
            return SCALARS.get(type(info), "x")


def spoilt(message: Any) -> Iterator[Any]:
    """The message, then with one field, however deep, missing or replaced by something wrong."""
    yield message
    if isinstance(message, dict):
        for name, value in message.items():
            yield {key: kept for key, kept in message.items() if key != name}
            for wrong in (*WRONG, *spoilt(value)):
                yield message | {name: wrong}
    elif isinstance(message, list):
        for at, value in enumerate(message[:2]):
            for wrong in (*WRONG, *spoilt(value)):
                yield [*message[:at], wrong, *message[at + 1 :]]


def spoilt_frames(frame: Frame) -> Iterator[Frame]:
    if isinstance(frame, bytes):
        yield from (b"", frame[:1], frame[:-1], frame.hex())
        return
    try:
        message = json.loads(frame)
    except ValueError:
        yield from (frame + frame, frame[:-1], json.dumps(frame))
        return
    yield frame[:-1]
    yield from map(json.dumps, spoilt(message))
