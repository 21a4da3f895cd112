"""Whether a value has the type that its struct declares: msgspec checks only what it decodes."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct


def faults(value: Struct) -> list[str]:
    """The fields of a struct, and of those in it, that hold something else than they declare."""
    name = type(value).__name__
    return [
        f"{name}.{field} is {getattr(value, field)!r}"
        for field, hint in hints(type(value)).items()
        if not fits(getattr(value, field), hint)
    ]


@cache
def hints(struct: type[Struct]) -> dict[str, Any]:
    declared = typing.get_type_hints(struct)
    return {field: declared[field] for field in struct.__struct_fields__}


def fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, option) for option in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(item, arguments[0]) for item in value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and all(fits(key, arguments[0]) for key in value)
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    if hint in (int, bool, str, bytes, types.NoneType):
        return type(value) is hint
    return isinstance(value, hint) and not faults(value)
