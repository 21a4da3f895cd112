"""Settings: from the environment, and from the TOML file that VOXWAY_CONFIG names.

The environment wins over the file. What is wrong is said with the variable's or the field's name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import msgspec
from msgspec import Meta, Struct, field

from .addresses import networks
from .catalog import LOCAL, Catalog
from .catalog.document import convert, decode, fault
from .catalog.files import shipped, text_of
from .catalog.reading import OURS, Priced, merged, parse, parse_prices
from .errors import ConfigError
from .limits import TIERS, Tier

LOCAL_MODELS = tuple(LOCAL)
NEW_TIER = "based_on"  # names the tier from which a new one takes what it does not say
OnLoss = Literal["fail_open", "fail_closed", "local"]
Tables = dict[str, dict[str, Any]]


class EngineSetting(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a local model runs: `auto` starts a worker process here, else `unix:PATH` or
    `tcp:HOST:PORT` of a worker that somebody else runs."""

    model: str
    address: str = "auto"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the gateway can be told. The file may hold `[[model]]` tables besides."""

    api_keys: dict[str, str] = {}  # key -> tier
    tiers: dict[str, Tier] = field(default_factory=lambda: dict(TIERS))
    data_dir: str = ""
    database_url: str = ""  # else a file in data_dir
    redis_url: str = ""  # where several gateways count together; else each for itself
    on_loss: OnLoss = "local"  # what to do while Redis is away
    engines: tuple[EngineSetting, ...] = tuple(map(EngineSetting, LOCAL_MODELS))
    catalog: str = ""  # a TOML file of [[model]] tables
    drain_seconds: Annotated[float, Meta(ge=0)] = 30.0
    failures_per_minute: Annotated[int, Meta(ge=0)] = 20  # wrong keys from one address; 0: any
    sockets_per_address: Annotated[int, Meta(ge=0)] = 200  # 0: any
    trusted_proxies: tuple[str, ...] = ()  # addresses and ranges whose X-Forwarded-For is believed
    wyoming_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None  # None: nobody listens
    wyoming_key: str = ""  # whose account all clients there use
    dev: bool = False


def load(environ: Mapping[str, str]) -> Settings:
    """The settings in force. Raises ConfigError."""
    settings = _from_file(environ["VOXWAY_CONFIG"]) if environ.get("VOXWAY_CONFIG") else Settings()
    changes: dict[str, object] = {}
    if keys := environ.get("VOXWAY_API_KEYS", "").strip():
        changes["api_keys"] = parse_keys(keys, settings.tiers)
    if data_dir := environ.get("VOXWAY_DATA_DIR") or settings.data_dir:
        changes["data_dir"] = data_dir
    else:
        changes["data_dir"] = str(default_data_dir(environ))
    for name in ("database_url", "redis_url", "catalog", "wyoming_key"):
        if value := environ.get(f"VOXWAY_{name.upper()}"):
            changes[name] = value
    if on_loss := environ.get("VOXWAY_ON_LOSS"):
        changes["on_loss"] = _known_loss(on_loss)
    if port := environ.get("VOXWAY_WYOMING_PORT", "").strip():
        changes["wyoming_port"] = _port(port, "VOXWAY_WYOMING_PORT")
    if "VOXWAY_ENGINES" in environ:
        changes["engines"] = parse_engines(environ["VOXWAY_ENGINES"])
    settings = msgspec.structs.replace(settings, **changes)
    networks(settings.trusted_proxies)
    for tier in _real(settings.api_keys, "api_keys").values():
        _known_tier(tier, settings.tiers, "api_keys")
    return settings


def load_catalog(settings: Settings, environ: Mapping[str, str], *, dev: bool = False) -> Catalog:
    """The models in force: what is shipped, then the operator's file, then the `[[model]]` tables
    of the settings; a later entry replaces an earlier one of its id, and `[prices]` what it
    costs. Raises ConfigError."""
    layers = [shipped()]
    prices: list[Priced] = []
    if path := settings.catalog:
        text = text_of(path, "catalog")
        layers.append(parse(text, path))
        prices += parse_prices(text, path)
    if path := environ.get("VOXWAY_CONFIG", ""):
        text = text_of(path, "VOXWAY_CONFIG")
        layers.append(parse(text, path, mixed=True))
        prices += parse_prices(text, path, mixed=True)
    engines = tuple(engine.model for engine in settings.engines)
    return Catalog(
        merged(layers, prices), engines=engines, environ=environ, dev=dev or settings.dev
    )


def reload_catalog(running: Settings, environ: Mapping[str, str], *, dev: bool = False) -> Catalog:
    """A new catalog for a gateway that goes on with the engines it has. Raises ConfigError."""
    settings = msgspec.structs.replace(load(environ), engines=running.engines)
    return load_catalog(settings, environ, dev=dev)


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Where files go if nobody says: the user's data directory."""
    base = environ.get("XDG_DATA_HOME") or os.path.join(
        environ.get("HOME", os.path.expanduser("~")), ".local", "share"
    )
    return Path(base) / "voxway"


def parse_keys(text: str, tiers: Mapping[str, Tier] = TIERS) -> dict[str, str]:
    """`key1:enterprise,key2:free` as a mapping; a key without a tier is `free`."""
    keys: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, _, tier = entry.rpartition(":") if ":" in entry else (entry, "", "free")
        keys[key.strip()] = _known_tier(tier.strip(), tiers, "VOXWAY_API_KEYS")
    return _real(keys, "VOXWAY_API_KEYS")


def parse_engines(text: str) -> tuple[EngineSetting, ...]:
    """`local/hibari:en, local/moonshine:tiny-en=tcp:10.0.0.5:7000` or `none`."""
    if text.strip().lower() in ("", "none"):
        return ()
    settings = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        model, _, address = entry.partition("=")
        if model not in LOCAL_MODELS:
            raise ConfigError(
                f"VOXWAY_ENGINES: {model!r} is not one of {', '.join(LOCAL_MODELS)}",
                param="VOXWAY_ENGINES",
            )
        settings.append(EngineSetting(model, address or "auto"))
    return tuple(settings)


def _port(said: str, where: str) -> int:
    if not said.isdecimal() or int(said) > 65_535:
        raise ConfigError(f"{where}: {said[:20]!r} is not a port (0-65535)", param=where)
    return int(said)


def _known_loss(said: str) -> OnLoss:
    for known in get_args(OnLoss):
        if said == known:
            return cast(OnLoss, known)
    raise ConfigError(
        f"VOXWAY_ON_LOSS: {said!r} is not one of {', '.join(get_args(OnLoss))}",
        param="VOXWAY_ON_LOSS",
    )


def _real(keys: dict[str, str], where: str) -> dict[str, str]:
    """The keys, none of which is left empty, as by a variable that is not set."""
    if not all(map(str.strip, keys)):
        raise ConfigError(f"{where}: a key is empty", param=where)
    return keys


def _known_tier(tier: str, tiers: Mapping[str, Tier], where: str) -> str:
    if tier not in tiers:
        raise ConfigError(f"{where}: tier {tier!r} is not one of {', '.join(tiers)}", param=where)
    return tier


def _from_file(path: str) -> Settings:
    text = text_of(path, "VOXWAY_CONFIG")
    document = decode(text, path)
    document = {name: value for name, value in document.items() if name not in OURS}
    tiers = _tiers(convert(document.pop("tiers", {}), Tables, text, path, ("tiers",)), text, path)
    settings = msgspec.structs.replace(convert(document, Settings, text, path), tiers=tiers)
    for i, engine in enumerate(settings.engines):
        if engine.model not in LOCAL_MODELS:
            reason = f"model {engine.model!r} is not one of {', '.join(LOCAL_MODELS)}"
            raise fault(text, path, ("engines", i, "model"), reason)
    if settings.catalog:  # as the file means it, wherever the gateway was started
        catalog = str(Path(path).parent / settings.catalog)
        settings = msgspec.structs.replace(settings, catalog=catalog)
    return settings


def _tiers(tables: Tables, text: str, path: str) -> dict[str, Tier]:
    """All tiers: what a table does not say is as in the tier that it changes, or that it is based
    on, which may be a new one that stands above it."""
    tiers = dict(TIERS)
    for name, table in tables.items():
        base = table.pop(NEW_TIER, name)
        if not isinstance(base, str) or base not in tiers:
            reason = f"{NEW_TIER} has to name one of {', '.join(tiers)}"
            raise fault(text, path, ("tiers", name, NEW_TIER), reason)
        whole = msgspec.structs.asdict(tiers[base]) | table
        tiers[name] = convert(whole, Tier, text, path, ("tiers", name))
    return tiers
