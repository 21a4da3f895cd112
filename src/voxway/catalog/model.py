"""One entry of the catalog: what a model does, and the backends that do it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from ..audio.formats import MAX_RATE, MIN_RATE

Kind = Literal["tts", "stt"]
WorldPart = Literal["na", "eu", "eu-non-eu", "ap", "me"]
HOSTED = ("slng/", "local/")


class Backend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place where a model runs.

    `url` may hold `${VARIABLE}` and `${VARIABLE:-default}`. A wire adds its own path to an address
    that has none. `key_variable` names the environment variable with the provider's key. What the
    provider allows for that key may be more, or less, than for most.
    """

    wire: str
    url: str = ""
    model: str = ""  # the name it has there, if that is another
    key_variable: str = ""
    key_optional: bool = False  # it answers without a key, too
    region: str = ""
    world_part: WorldPart | Literal[""] = ""
    sockets: Annotated[int, Meta(ge=0)] | None = None  # at a time; 0: any number
    characters_per_minute: Annotated[int, Meta(ge=0)] | None = None  # 0: any number


Price = Annotated[float, Meta(ge=0, le=1e6)]


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs, in the operator's currency: a request (or session), 1,000 characters of
    text, a minute of audio in, and one out."""

    request: Price = 0.0
    characters: Price = 0.0
    audio_in: Price = 0.0
    audio_out: Price = 0.0


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one model does. Rates in Hz; `speeds` is the range of the speed factor.

    What is `open` has more members than are listed: any other is passed on. `rates` are the only
    ones that it knows; without them it takes all from `min_rate` to `max_rate`. An encoding that
    has others stands in `rates_of`. A client may ask for any format: the gateway converts.
    """

    id: str
    kind: Kind
    provider: str
    encodings: tuple[str, ...]
    default_rate: int
    languages: tuple[str, ...] = ()
    default_language: str = ""
    open_languages: bool = False
    voices: tuple[str, ...] = ()
    default_voice: str = ""
    open_voices: bool = False
    default_encoding: str = ""
    rates: tuple[int, ...] = ()
    rates_of: dict[str, tuple[int, ...]] = {}
    min_rate: int = MIN_RATE
    max_rate: int = MAX_RATE
    speeds: tuple[float, float] = (1.0, 1.0)
    capabilities: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  # further fields of `init` that are for the provider
    fallback: tuple[str, ...] = ()  # ids of those that answer when this one cannot
    backends: tuple[Backend, ...] = ()
    prices: Prices | None = None  # None: nobody knows

    def __post_init__(self) -> None:
        """The first of a list is its default, so that nobody has to ask twice."""
        for default, names in (
            ("default_language", self.languages),
            ("default_voice", self.voices),
            ("default_encoding", self.encodings),
        ):
            if not getattr(self, default) and names:
                force_setattr(self, default, names[0])
        if self.rates:
            force_setattr(self, "min_rate", min(self.rates))
            force_setattr(self, "max_rate", max(self.rates))

    def rates_for(self, encoding: str) -> tuple[int, ...]:
        """The rates (Hz) of one encoding; none if it takes any."""
        return self.rates_of.get(encoding, self.rates)

    @property
    def hosted(self) -> bool:
        """Runs on this gateway's account: a client's own provider key has no place there."""
        return is_hosted(self.id)


def is_hosted(model: str) -> bool:
    """The same for an id that the catalog may not know."""
    return model.startswith(HOSTED)


class Public(Struct, frozen=True, kw_only=True):
    """What clients may know of a model: no address, and no name of a key."""

    id: str
    kind: Kind
    provider: str
    languages: tuple[str, ...]
    encodings: tuple[str, ...]
    default_rate: int
    default_language: str = ""
    open_languages: bool = False
    voices: tuple[str, ...] = ()
    default_voice: str = ""
    open_voices: bool = False
    default_encoding: str = ""
    rates: tuple[int, ...] = ()
    rates_of: dict[str, tuple[int, ...]] = {}
    min_rate: int = MIN_RATE
    max_rate: int = MAX_RATE
    speeds: tuple[float, float] = (1.0, 1.0)
    capabilities: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    world_parts: tuple[str, ...] = ()
    hosted: bool = False
    usable: bool = True


SHARED = tuple(set(Public.__struct_fields__) & set(Model.__struct_fields__))


def public(model: Model, usable: bool) -> Public:
    """The entry as `GET /v1/models` shows it."""
    # Named once each, in the order of the file.
    regions = dict.fromkeys(b.region for b in model.backends if b.region)
    world_parts = dict.fromkeys(str(b.world_part) for b in model.backends if b.world_part)
    return Public(
        **{name: getattr(model, name) for name in SHARED},
        regions=tuple(regions),
        world_parts=tuple(world_parts),
        hosted=model.hosted,
        usable=usable,
    )
