"""The square: every dialect in front of every backend, with real speech.

Two gateways. The first is spoken to in the front dialect and connects to the second one by the back
wire; the second one speaks that dialect with its clients, and has the engines.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from square import dialects, format_of, listen, speak, wire_of

from conftest import Gateway
from speech import clip, wer
from wire.pair import FORMATS

FIRST, SECOND = "The train to Manchester leaves from platform 9.", "Nobody knows why."
MODEL = """
[[model]]
id = "square/{kind}-{name}"
kind = "{kind}"
provider = "{provider}"
languages = ["en"]
voices = {voices}
encodings = ["{form.encoding}"]
rates = {rates}
default_rate = {form.sample_rate}
capabilities = {able}
backends = [
    {{ wire = "{name}", url = "{url}", model = "{model}", key_variable = "SQUARE_KEY" }},
]
"""
ENGINES = {"tts": "local/hibari:en", "stt": "local/moonshine:tiny-en"}
# Those that tell when each word is spoken; for the others it is found out in the audio.
TIMED = ("unified", "elevenlabs", "elevenlabs_multi", "cartesia_tts", "cartesia_stt")
ALSO_TIMED = (
    *("deepgram_listen", "elevenlabs_stt", "kyutai_stt", "kyutai_tts"),
    *("rime_v1", "rime_ws3"),
)


def entry(name: str, kind: str, url: str) -> str:
    wire = wire_of(name, kind)
    able = ["word_timestamps"] if name in TIMED + ALSO_TIMED else []
    return MODEL.format(
        name=name,
        kind=kind,
        provider=wire.provider or "square",
        form=format_of(name, kind),
        rates=[FORMATS[name].sample_rate] if name in FORMATS else [],
        able=str(able).replace("'", '"'),
        voices='["heart"]' if kind == "tts" else "[]",
        url=url,
        model=ENGINES[kind],
    )


@pytest.fixture(scope="module")
def back(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    started = Gateway(tmp_path_factory.mktemp("back"), "--dev")
    started.wait_ready()
    yield started
    assert [line for line in started.logged().splitlines() if '"bug"' in line] == []
    started.stop()


@pytest.fixture(scope="module")
def front(back: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("front")
    entries = [entry(name, kind, back.url) for kind in ENGINES for name in dialects(kind)]
    (directory / "catalog.toml").write_text("".join(entries))
    started = Gateway(
        directory,
        VOXWAY_ENGINES="none",
        VOXWAY_CATALOG=str(directory / "catalog.toml"),
        SQUARE_KEY=back.key,
    )
    yield started
    assert [line for line in started.logged().splitlines() if '"bug"' in line] == []
    started.stop()


@pytest.mark.parametrize("behind", dialects("tts"))
@pytest.mark.parametrize("before", dialects("tts"))
def test_speech(front: Gateway, back: Gateway, before: str, behind: str) -> None:
    spoken = speak(front, before, f"square/tts-{behind}", [FIRST, SECOND])
    for text, got in zip((FIRST, SECOND), spoken, strict=True):
        assert got.order[-1] == "Flushed"
        assert "Flushed" not in got.order[:-1]
        with back.recognition(sample_rate=24_000) as ear:
            assert wer(text, ear.transcript(got.pcm)) <= 0.1
        if before in TIMED:
            assert [word.text for word in got.words] == text.split()
            times = [at for word in got.words for at in (word.start, word.end)]
            assert times == sorted(times)
            assert times[0] >= 0.0
            assert times[-1] <= len(got.pcm) / 48_000 + 0.1
            assert times[-1] > len(got.pcm) / 48_000 * 0.5


@pytest.mark.parametrize("behind", dialects("stt"))
@pytest.mark.parametrize("before", dialects("stt"))
def test_recognition(front: Gateway, before: str, behind: str) -> None:
    pcm, text = clip("austen-0890.wav")
    got = listen(front, before, f"square/stt-{behind}", pcm)
    assert wer(text, got.text) <= 0.1
    assert got.answers == 1
    assert got.has_ended
    if before in TIMED + ALSO_TIMED:
        times = [at for word in got.words for at in (word.start, word.end)]
        assert len(got.words) == len(got.text.split())
        assert times == sorted(times)
        assert times[0] >= 0.0
        assert times[-1] <= len(pcm) / 32_000 + 0.1
