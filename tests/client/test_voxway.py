"""The whole client against a real gateway, and as the client of each provider."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from conftest import Gateway
from speech import DATA, clip, wer
from voxway.audio.formats import AudioFormat
from voxway.client import Speech, Stt, Tts, Voxway, notices
from voxway.errors import AuthError, ConfigError
from voxway.events import SpeechStarted, Transcript, UtteranceEnd

TEXT = "The quick brown fox jumps over the lazy dog."


def vox(gateway: Gateway) -> Voxway:
    return Voxway(gateway.url, gateway.key)


def test_speak_in_one_line(gateway: Gateway, tmp_path: Path) -> None:
    async def speak() -> Speech:
        async with vox(gateway) as voxway:
            return await voxway.speak(f"{TEXT} It is true.", sample_rate=16_000, words=True)

    speech = asyncio.run(speak())
    assert wer(f"{TEXT} It is true.", gateway.heard(speech.audio, "linear16", 16_000)) == 0
    assert [word.text for word in speech.words] == [*TEXT.split(), "It", "is", "true."]
    starts = [word.start for word in speech.words]
    assert starts == sorted(starts)
    assert speech.words[-1].end <= speech.seconds + 0.01
    speech.save(tmp_path / "fox.wav")
    with wave.open(str(tmp_path / "fox.wav")) as file:
        assert file.getframerate() == 16_000
        assert file.readframes(file.getnframes()) == speech.audio
    with pytest.raises(ConfigError, match=r"kept as .wav"):
        speech.save(tmp_path / "fox.mp3")


@pytest.mark.parametrize("kind", ["path", "bytes", "stream"])
def test_transcribe_in_one_line(gateway: Gateway, kind: str) -> None:
    path = DATA / "austen-0880.wav"
    pcm, text = clip(path.name)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), 3200):
            yield pcm[at : at + 3200]

    async def transcribe() -> str:
        sources: dict[str, Path | bytes | AsyncIterator[bytes]] = {
            "path": path,
            "bytes": path.read_bytes(),
            "stream": pieces(),
        }
        async with vox(gateway) as voxway:
            transcript = await voxway.transcribe(sources[kind], words=True)
        assert transcript.incomplete is None
        assert transcript.srt().startswith("1\n00:00:00,")
        return transcript.text()

    assert wer(text, asyncio.run(transcribe())) <= 0.25


def test_slng_format_consistency_a_wrong_rate_or_width_is_refused(gateway: Gateway) -> None:
    """Floats sent as 16-bit samples would be noise, which a recognizer takes for silence."""
    pcm, _ = clip("jfk.wav")
    samples = memoryview(pcm).cast("h").tolist()
    floats = memoryview(bytearray(4 * len(samples))).cast("f")
    for at, sample in enumerate(samples):
        floats[at] = sample / 32768

    async def pieces() -> AsyncIterator[bytes]:
        data = floats.tobytes()
        for at in range(0, len(data), 3200):
            yield data[at : at + 3200]

    async def transcribe() -> None:
        async with vox(gateway) as voxway:
            await voxway.transcribe(pieces())

    with pytest.raises(ConfigError, match="linear32"):
        asyncio.run(transcribe())


def test_a_file_is_converted_to_what_the_session_takes(gateway: Gateway) -> None:
    async def listen() -> str:
        async with vox(gateway) as voxway, voxway.stt(sample_rate=8_000) as stt:
            async for _ in stt.stream(DATA / "austen-0880.wav"):
                pass
            return stt.transcript.text()

    assert wer(clip("austen-0880.wav")[1], asyncio.run(listen())) <= 0.3


def test_live_partials_finals_and_the_ends_of_speech(gateway: Gateway) -> None:
    pcm, text = clip("austen-0930.wav")

    async def live() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), 6400):
            yield pcm[at : at + 6400]
            await asyncio.sleep(0.1)

    async def listen() -> None:
        async with vox(gateway) as voxway, voxway.stt(vad_events=True) as stt:
            kinds = [event async for event in stt.events(live())]
            assert wer(text, stt.transcript.text()) <= 0.25
            snapshot = stt.metrics.snapshot()
        assert any(isinstance(event, Transcript) and not event.final for event in kinds)
        assert any(isinstance(event, SpeechStarted | UtteranceEnd) for event in kinds)
        assert snapshot.connection_attempts == 1
        assert snapshot.finals >= 1
        assert snapshot.partial_to_final.count >= 1

    asyncio.run(listen())


def test_a_language_model_is_spoken_while_it_writes(gateway: Gateway) -> None:
    async def tokens() -> AsyncIterator[str]:
        for word in TEXT.split():
            yield f"{word} "
        await asyncio.sleep(0.2)
        yield "And on."

    async def speak() -> tuple[bytes, float]:
        seen: list[notices.Notice] = []
        voxway = Voxway(gateway.url, gateway.key, on_notice=seen.append)
        async with voxway, voxway.tts() as tts:
            audio = b"".join([chunk.data async for chunk in tts.stream(tokens())])
            assert await tts.ping() > 0
            await asyncio.sleep(0)
        assert [type(each) for each in seen if isinstance(each, notices.FirstAudio)]
        assert [type(each) for each in seen if isinstance(each, notices.Pinged)]
        return audio, tts.sample_rate

    audio, rate = asyncio.run(speak())
    assert wer(f"{TEXT} And on.", gateway.heard(audio, "linear16", int(rate))) == 0


def test_one_client_has_many_sessions(gateway: Gateway) -> None:
    """A voice that is heard by the recognizer beside it, while it speaks."""

    async def talk() -> str:
        async with vox(gateway) as voxway:
            tts, stt = voxway.tts(sample_rate=16_000), voxway.stt()
            async with tts, stt:
                return await heard(tts, stt)

    async def heard(tts: Tts, stt: Stt) -> str:
        async def spoken() -> AsyncIterator[bytes]:
            async with aclosing(tts.stream(TEXT)) as chunks:
                async for chunk in chunks:
                    yield chunk.data

        async for _ in stt.stream(spoken()):
            pass
        return stt.transcript.text()

    assert wer(TEXT, asyncio.run(talk())) == 0


def test_slng_401_the_key_goes_as_a_header_and_without_its_white_space(gateway: Gateway) -> None:
    async def speak(key: str) -> float:
        async with Voxway(gateway.url, key) as voxway:
            return (await voxway.speak("Hi.")).seconds

    assert asyncio.run(speak(f" {gateway.key}\n")) > 0.1
    with pytest.raises(AuthError, match="unknown API key"):
        asyncio.run(speak("wrong"))


# As the client of a provider, which is played by the gateway's own routes

PROVIDERS = {
    "deepgram": ("aura-2-thalia-en", None, "nova-3"),
    "elevenlabs": ("eleven_flash_v2_5", "21m00Tcm4TlvDq8ikWAM", "scribe_v2_realtime"),
    "cartesia": ("sonic-3", "f786b574-daa5-4673-aa0c-cbe3e8534c02", "ink-whisper"),
    "telnyx": ("Telnyx.NaturalHD", "astra", "Deepgram/nova-3"),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_reached_directly(dev: Gateway, provider: str) -> None:
    model, voice, ear = PROVIDERS[provider]

    async def talk() -> str:
        async with Voxway(dev.url, dev.key, provider=provider) as voxway:
            text = "It was a fine day. Was it not?"
            speech = await voxway.speak(text, model, voice=voice, language="en")
            transcript = await voxway.transcribe(
                once(speech.audio), ear, sample_rate=24_000, language="en"
            )
            assert transcript.incomplete is None
            return transcript.text()

    assert wer("It was a fine day. Was it not?", asyncio.run(talk())) <= 0.15


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_refuses_a_wrong_key(dev: Gateway, provider: str) -> None:
    model, voice, _ = PROVIDERS[provider]

    async def speak() -> None:
        async with Voxway(dev.url, "wrong", provider=provider) as voxway:
            await voxway.speak("Hi.", model, voice=voice)

    with pytest.raises(AuthError):
        asyncio.run(speak())


async def once(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 4800):
        yield data[at : at + 4800]


def test_a_provider_has_to_be_told_its_model() -> None:
    with pytest.raises(ConfigError, match="which model of deepgram"):
        Voxway(provider="deepgram", key="k").tts()
    with pytest.raises(ConfigError, match="not one of deepgram, elevenlabs, cartesia, telnyx"):
        Voxway(provider="nobody")


def test_speech_says_what_cannot_be_a_wav_file() -> None:
    with pytest.raises(ConfigError, match="mp3 does not go into WAV"):
        Speech(b"", AudioFormat("mp3", 24_000)).wav()
    assert io.BytesIO(Speech(bytes(4), AudioFormat("mulaw", 8_000)).wav()).read(4) == b"RIFF"
