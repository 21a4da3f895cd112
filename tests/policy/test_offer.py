"""What a Wyoming client may choose from, and who does the work."""

from __future__ import annotations

from typing import Any

import pytest

from voxway.auth import Account, Scopes
from voxway.catalog import Public
from voxway.errors import ProtocolError
from voxway.limits import TIERS
from voxway.offer import Choice, choose, info, offered
from voxway.wire.wyoming_frames import Packet
from voxway.wire.wyoming_requests import Wanted


def model(id: str, kind: Any = "tts", **fields: Any) -> Public:
    provider = id.partition("/")[0]
    given: dict[str, Any] = {"languages": ("en",), "hosted": provider == "local"} | fields
    return Public(
        id=id, kind=kind, provider=provider, encodings=("linear16",), default_rate=16_000, **given
    )


def account(*models: str, uses: frozenset[str] = Scopes().uses) -> Account:
    scopes = Scopes(models or ("*",), uses)
    return Account("a", "pro", TIERS["pro"], scopes=scopes)


BOLD = model("bold/one", voices=("tom", "ann"), default_voice="ann", languages=("en", "de-DE"))
OPEN = model("open/any", languages=(), open_languages=True)
MUTE = model("mute/one", usable=False)
HERE = model("local/voice")
EAR = model("bold/ear", "stt", languages=("multi",))
OWN_EAR = model("local/ear", "stt")
ALL = (BOLD, OPEN, MUTE, HERE, EAR, OWN_EAR)
USABLE = offered(ALL, account())


def wanted(task: Any = "tts", **fields: Any) -> Wanted:
    return Wanted(task, Packet(""), **fields)


def test_what_can_be_used_is_offered_what_runs_here_first() -> None:
    ids = ["local/voice", "local/ear", "bold/one", "open/any", "bold/ear"]
    assert [each.id for each in USABLE] == ids


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        (account("bold/*"), ["bold/one", "bold/ear"]),
        (account(uses=frozenset({"stt"})), ["local/ear", "bold/ear"]),
        (account("other/*"), []),
    ],
)
def test_a_key_is_offered_what_it_is_good_for(key: Account, ids: list[str]) -> None:
    assert [each.id for each in offered(ALL, key)] == ids


def test_all_voices_stand_in_one_program() -> None:
    [program] = info(USABLE).tts
    assert [(voice.name, voice.languages) for voice in program.voices] == [
        ("local/voice", ("en",)),
        ("bold/one#ann", ("en", "de-DE")),
        ("bold/one#tom", ("en", "de-DE")),
        ("open/any", ("en",)),
    ]
    assert program.voices[1].description == "ann (bold/one)"
    assert program.voices[1].attribution.name == "bold"


def test_recognizers_are_programs_besides() -> None:
    programs = [(each.name, [ear.name for ear in each.models]) for each in info(USABLE).asr]
    assert programs == [
        ("voxway", ["local/ear", "bold/ear"]),
        ("local/ear", ["local/ear"]),
        ("bold/ear", ["bold/ear"]),
    ]
    assert [each.name for each in info([EAR]).asr] == ["voxway"]
    assert (info([]).asr, info([]).tts) == ((), ())


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        (wanted(), Choice("local/voice")),
        (wanted(name="bold/one"), Choice("bold/one")),
        (wanted(name="bold/one#ann"), Choice("bold/one", "ann")),
        (wanted(name="bold/one", speaker="tom"), Choice("bold/one", "tom")),
        (wanted(name="bold/one#ann", speaker="tom"), Choice("bold/one", "ann")),
        (wanted(name="tom"), Choice("bold/one", "tom")),
        (wanted(name="open/any#a#b"), Choice("open/any", "a#b")),
        (wanted(name="voxway"), Choice("local/voice")),
        (wanted(language="en-US"), Choice("local/voice")),
        (wanted(language="de_AT"), Choice("bold/one")),
        (wanted(language="fr"), Choice("open/any")),
        (wanted(program="open/any"), Choice("open/any")),
        (wanted(program="voxway"), Choice("local/voice")),
        (wanted(program="bold/ear"), Choice("local/voice")),  # of the other kind
        (wanted("stt"), Choice("local/ear")),
        (wanted("stt", language="de"), Choice("bold/ear")),
        (wanted("stt", language="en", program="bold/ear"), Choice("bold/ear")),
    ],
)
def test_who_is_meant(asked: Wanted, choice: Choice) -> None:
    assert choose(USABLE, asked) == choice


@pytest.mark.parametrize(
    ("models", "asked", "code", "reason"),
    [
        (USABLE, wanted(name="nobody"), "model_not_found", "no voice or model 'nobody' here"),
        (USABLE, wanted(name="mute/one"), "model_not_found", "no voice or model 'mute/one'"),
        (USABLE, wanted("stt", name="bold/one"), "model_not_found", "no voice or model"),
        ([HERE], wanted(language="fr"), "config_error", "nobody here knows the language 'fr'"),
        ([HERE], wanted("stt"), "model_not_found", "no stt model can be used here"),
    ],
)
def test_nobody_is_meant(models: Any, asked: Wanted, code: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as caught:
        choose(models, asked)
    assert caught.value.error == code
