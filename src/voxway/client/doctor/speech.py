"""What the way to a gateway is good for: echoes, bandwidth, and a sentence there and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from math import ceil
from statistics import median

from msgspec import Struct

from ...audio.formats import AudioFormat
from ...audio.plausible import RawCheck
from ...errors import ConfigError, GatewayError
from ...events import Audio
from ...text.alike import words, wrong
from ..failures import UnreachableError
from ..playback import START_MS
from ..stt import Listening
from ..voxway import Voxway
from .findings import Fault, Finding, ok, problem, warning
from .talk import Talk

ECHOES = 8  # of each kind
FAR_MS, BUSY_MS = 150.0, 50.0  # from here on it is felt in a conversation
SENT_SECONDS = 2.0
NEED_UP = 16_000 * 16 / 1000  # kbps of what a microphone gives
NEED_DOWN = 24_000 * 16 / 1000  # kbps of linear16 at 24 kHz
HEADROOM = 1.3
PATIENCE = 60.0  # seconds for all of the speech
MOST_KBPS = 1_000_000.0  # what a burst says that comes at once
WELL = 0.25  # of the words may be others

SENTENCE = "The quick brown fox jumps over the lazy dog. Please call Stella."


class Echo(Struct, frozen=True):
    """Milliseconds. `jitter` is what the slowest took more than most."""

    network: float
    server: float
    jitter: float


class Spoken(Struct, frozen=True):
    """Speech, and when it came: seconds after its text, and bytes, of each piece."""

    audio: bytes
    format: AudioFormat
    pieces: tuple[tuple[float, int], ...]

    def __repr__(self) -> str:
        return f"Spoken(<{len(self.audio)} bytes>, {self.format})"


async def echo(talk: Talk) -> tuple[Finding, Echo]:
    """Pings that the network's layer of the gateway answers, and some that a session does. Raises
    Hindrance."""
    below = [await talk.ping() * 1000 for _ in range(ECHOES)]
    above = [await talk.ask({"type": "ping"}, "pong") * 1000 for _ in range(ECHOES)]
    network = median(below)
    found = Echo(network, max(0.0, median(above) - network), max(below) - network)
    figures = {
        "rtt_ms": network + found.server,
        "network_ms": network,
        "server_ms": found.server,
        "jitter_ms": found.jitter,
    }
    message = (
        f"a round trip takes {figures['rtt_ms']:.1f} ms: {network:.1f} ms in the network, "
        f"{found.server:.1f} ms in the gateway; jitter {found.jitter:.1f} ms"
    )
    if network > FAR_MS:
        remedy = "use a gateway that is nearer, or a better line: each answer is late by this"
        return warning("echo", message, remedy, **figures), found
    if found.server > BUSY_MS:
        remedy = "the gateway's machine is busy: give it more processors, or less to do"
        return warning("echo", message, remedy, **figures), found
    return ok("echo", message, **figures), found


async def upload(talk: Talk) -> Finding:
    """How fast audio goes up, on a session with a recognizer. Raises Hindrance."""
    form = AudioFormat("linear16", 16_000)
    config = {"encoding": form.encoding, "sample_rate": form.sample_rate}
    await talk.ask({"type": "init", "config": config}, "ready")
    alone = min([await talk.ask({"type": "ping"}, "pong") for _ in range(3)])
    piece, size = bytes(form.bytes_for(0.1)), form.bytes_for(SENT_SECONDS)
    began = time.monotonic()
    for _ in range(size // len(piece)):
        await talk.send(piece)
    await talk.ask({"type": "ping"}, "pong")  # it is answered in order
    seconds = time.monotonic() - began - alone
    return _bandwidth("upload", "16 kHz linear16", _kbps(size, seconds), NEED_UP)


async def speak(vox: Voxway, voice: str) -> Spoken:
    """Raises GatewayError, also if it takes too long."""
    audio, pieces = bytearray(), []
    async with _patience(voice), vox.tts(voice) as tts:
        began = time.monotonic()
        async with aclosing(tts.events(SENTENCE)) as events:
            async for event in events:
                if isinstance(event, Audio):
                    audio += event.data
                    pieces.append((time.monotonic() - began, len(event.data)))
    return Spoken(bytes(audio), tts.format, tuple(pieces))


def speech(spoken: Spoken, echo: Echo) -> Finding:
    """How soon speech begins."""
    if not spoken.pieces:
        remedy = "the gateway's log says what its provider answered; try another voice with --voice"
        return problem("speech", "no audio came for a text", remedy, "failed")
    first = spoken.pieces[0][0] * 1000
    server = max(0.0, first - echo.network)
    seconds = spoken.format.seconds(len(spoken.audio))
    message = (
        f"{seconds:.1f} s of speech, the first after {first:.0f} ms: {first - server:.0f} ms in "
        f"the network, {server:.0f} ms for the voice"
    )
    return ok("speech", message, first_audio_ms=first, voice_ms=server)


def download(spoken: Spoken) -> Finding:
    """How fast speech comes, of what it is at 24 kHz."""
    first, last = spoken.pieces[0], spoken.pieces[-1]
    kbps = _kbps(len(spoken.audio) - first[1], last[0] - first[0])
    need = spoken.format.frame_bytes * spoken.format.sample_rate * 8 / 1000
    what = f"{spoken.format.sample_rate / 1000:g} kHz {spoken.format.encoding}"
    return _bandwidth("download", what, kbps, need)


def playback(spoken: Spoken, echo: Echo) -> Finding:
    """The buffer with which this speech would have been played without a break."""
    late = lateness(spoken.pieces, spoken.format)
    buffer = max(START_MS, ceil((late * 1000 * 1.2 + echo.jitter) / 20) * 20)
    message = f"a playback buffer of {buffer:.0f} ms keeps speech whole"
    figures = {"buffer_ms": buffer, "late_ms": late * 1000}
    if buffer > START_MS:
        remedy = f"PlaybackBuffer(rate, start_ms={buffer:.0f})"
        return warning("playback", message, remedy, **figures)
    return ok("playback", message, **figures)


def lateness(pieces: Sequence[tuple[float, int]], format: AudioFormat) -> float:
    """Seconds by which a piece came after its time, if playing had begun with the first."""
    late = played = 0.0
    for at, size in pieces:
        late = max(late, at - pieces[0][0] - played)
        played += format.seconds(size)
    return late


async def hearing(vox: Voxway, ear: str, spoken: Spoken) -> Finding:
    """Whether the words come back, so that both formats are what they are said to be. Raises
    GatewayError."""
    try:
        RawCheck(spoken.format).feed(spoken.audio)
    except ConfigError as error:
        remedy = "the provider sends another format than it says: see its settings in the catalog"
        return problem("format", error.message, remedy, "failed")
    listening = Listening(overflow="block", chunks="steady")
    rate = spoken.format.sample_rate
    async with _patience(ear), vox.stt(ear, sample_rate=rate, listening=listening) as stt:
        await stt.send(spoken.audio)
        transcript = await stt.finish()
    said, heard = words(SENTENCE), words(transcript.text())
    if not heard:
        remedy = (
            "encoding and sample_rate must be those of the audio that is sent; if they are, try "
            "another recognizer with --ear"
        )
        return problem(
            "format", "what was spoken was not heard: no word came back", remedy, "failed"
        )
    right = max(0, len(said) - wrong(said, heard))
    message = f"{right} of {len(said)} spoken words came back ({rate} Hz linear16)"
    if len(said) - right > WELL * len(said):
        remedy = "does the recognizer know the language of the voice? Try others: --voice, --ear"
        return warning("format", message, remedy, words_right=right, words=len(said))
    return ok("format", message, words_right=right, words=len(said))


def failed(check: str, error: GatewayError) -> Finding:
    """What a session that failed says."""
    fault: Fault = "refused" if error.rule.http_status in (401, 403, 429) else "failed"
    if isinstance(error, UnreachableError):
        fault = "unreachable"
    remedy = "the gateway's log says more; `voxway models` lists what it has"
    return problem(check, f"{error.message} ({error.error})", remedy, fault)


@asynccontextmanager
async def _patience(model: str) -> AsyncIterator[None]:
    """Bounds what is done with a model. Raises UnreachableError."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise UnreachableError(f"{model} was not done within {PATIENCE:g} s") from None


def _bandwidth(check: str, what: str, kbps: float, need: float) -> Finding:
    shown = "over 100 Mbps" if kbps > 100_000 else f"{kbps:.0f} kbps"
    message = f"{shown}, and {what} needs {need:.0f} kbps"
    figures = {"kbps": kbps, "needed_kbps": need}
    if kbps < need:
        remedy = (
            "the line is too slow, or who is at its end: ask for a lower sample_rate or a smaller "
            "encoding (mulaw, opus)"
        )
        return problem(check, message, remedy, "failed", **figures)
    if kbps < need * HEADROOM:
        remedy = "there is hardly room for a second session: use a smaller encoding (mulaw, opus)"
        return warning(check, message, remedy, **figures)
    return ok(check, message, **figures)


def _kbps(size: int, seconds: float) -> float:
    return min(MOST_KBPS, size * 8 / 1000 / seconds) if seconds > 0 else MOST_KBPS
