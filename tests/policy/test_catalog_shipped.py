"""The catalog that comes with voxway: whole, true to itself, and quick to load."""

from __future__ import annotations

import re

import pytest

from voxway.catalog import KNOWN_WIRES, LOCAL, Catalog, Kind
from voxway.catalog.files import shipped
from voxway.catalog.reading import merged

ENTRIES = shipped()
MODELS = {model.id: model for model in merged([ENTRIES])}

# Every id that clients of the unified protocol are known to use, as `provider/model:variant|...`.
SPEAKING = """
slng/deepgram/aura:2-en|2-es deepgram/aura:2 slng/rime/arcana:3-en|3-hi|en|es|fr|de|ar
slng/rime/coda:0-id slng/canopylabs/orpheus:en cartesia/sonic:3 elevenlabs/eleven-flash:2|2.5
elevenlabs/eleven-multilingual:2 elevenlabs/eleven:3 kugelaudio/kugel:1|1-turbo|2|2-turbo
murf/murftts:falcon sarvam/bulbul:v3 soniox/tts-rt:v1 gradium/tts:default slng/fish/tts:s2.1-pro
rime/coda rime/coda:multi rime/mistv3 kyutai-tts deepgram/flux:voice-en
orpheus orpheus-indic kokoro cosyvoice chatterbox xtts elevenlabs deepgram cartesia local/hibari:en
openai/tts-1 openai/tts-1-hd openai/gpt-4o-mini-tts telnyx/natural:hd telnyx/kokoro:1
"""
HEARING = """
slng/deepgram/nova:3-en|es|hi|kn|mr|multi|ta|te deepgram/nova:2|3|3-medical
slng/openai/whisper:large-v3 soniox/speech-ai:rt-v3|v4|v5 sarvam/saaras:v3 reson8/reson8stt:v1
mistral/voxtral-mini:2507 kyutai whisper local/moonshine:tiny-en
openai/whisper-1 openai/gpt-4o-transcribe openai/gpt-4o-mini-transcribe
elevenlabs/scribe:2-realtime cartesia/ink:2|whisper cartesia/ink:2-turns
deepgram/flux:general-en|general-multi telnyx/whisper:large-v3-turbo telnyx/deepgram-nova:3
telnyx/google:latest-long openai/gpt-4o-transcribe:realtime openai/gpt-live-transcribe
"""


def ids(names: str) -> list[str]:
    """`a:x-1|2` as a:x-1, a:x-2; `a:x|y` as a:x, a:y."""
    found = []
    for name in names.split():
        stem, colon, variants = name.partition(":")
        first, *others = variants.split("|")
        lead = re.match(r"3-(?=en$)|rt-", first) if stem != "slng/rime/arcana" else None
        prefix = lead[0] if lead else ""
        found += [f"{stem}{colon}{v}" for v in (first, *(prefix + other for other in others))]
    return found


@pytest.mark.parametrize(
    ("kind", "name"),
    [("tts", name) for name in ids(SPEAKING)] + [("stt", name) for name in ids(HEARING)],
)
def test_every_known_id_is_there(kind: Kind, name: str) -> None:
    assert MODELS[name].kind == kind


def test_there_is_no_other_and_none_twice() -> None:
    assert set(MODELS) == set(ids(SPEAKING)) | set(ids(HEARING))
    assert len(ENTRIES) == len(MODELS)
    assert {name: MODELS[name] for name in LOCAL} == LOCAL


@pytest.mark.parametrize(
    ("name", "voice", "language", "rate"),
    [
        ("orpheus", "tara", "en", 24_000),
        ("orpheus-indic", "kanak", "hi", 24_000),
        ("kokoro", "af", "en", 24_000),
        ("cosyvoice", "emma", "", 24_000),
        ("chatterbox", "nova", "", 24_000),
        ("xtts", "Claribel Dervla", "", 24_000),
        ("elevenlabs", "21m00Tcm4TlvDq8ikWAM", "", 24_000),
        ("slng/deepgram/aura:2-en", "aura-2-thalia-en", "en", 24_000),
        ("slng/deepgram/nova:3-hi", "", "hi", 16_000),
        ("soniox/speech-ai:rt-v4", "", "en", 16_000),
        ("kyutai", "", "en", 24_000),
        ("kyutai-tts", "expresso/ex03-ex01_happy_001_channel1_334s.wav", "en", 24_000),
        ("rime/coda", "astra", "en", 24_000),
        ("openai/gpt-4o-mini-tts", "alloy", "", 24_000),
        ("openai/gpt-4o-transcribe", "", "", 16_000),
    ],
)
def test_defaults(name: str, voice: str, language: str, rate: int) -> None:
    model = MODELS[name]
    assert (model.default_voice, model.default_language, model.default_rate) == (
        voice,
        language,
        rate,
    )


def test_what_is_asked_over_http_is_stated_as_it_comes() -> None:
    for model in MODELS.values():
        if any(backend.wire == "openai_http" for backend in model.backends):
            assert model.encodings == ("linear16",)
            assert model.rates == ((24_000,) if model.kind == "tts" else ())


def test_indic_languages() -> None:
    assert MODELS["orpheus-indic"].languages == ("hi", "bn", "ta", "te", "mr", "gu", "kn", "ml")


def test_no_key_stands_in_it_and_every_variable_has_a_speaking_name() -> None:
    variables = {b.key_variable for m in MODELS.values() for b in m.backends if b.key_variable}
    assert all(re.fullmatch(r"[A-Z0-9_]+_API_KEY", name) for name in variables)


def test_with_everything_set_what_has_a_wire_can_be_used() -> None:
    text = " ".join(f"{b.url} {b.key_variable}" for m in MODELS.values() for b in m.backends)
    environ = dict.fromkeys(re.findall(r"[A-Z0-9_]+_(?:URL|API_KEY)", text), "wss://example.com")
    catalog = Catalog(MODELS.values(), environ=environ)
    for model in catalog:
        spoken = any(KNOWN_WIRES[b.wire].implemented for b in model.backends)
        assert catalog.is_usable(model) is spoken
        assert catalog.find(model.kind, model.id).model == model if spoken else True


def test_with_nothing_set_only_the_engines_can() -> None:
    catalog = Catalog(MODELS.values())
    assert {model.id for model in catalog if catalog.is_usable(model)} == set(LOCAL)


def test_in_development_every_id_is_answered() -> None:
    catalog = Catalog(MODELS.values(), dev=True)
    for model in catalog:
        assert catalog.find(model.kind, model.id).model.id in LOCAL
