"""`voxway demo`: a sentence goes through a gateway as speech, and comes back as text."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator

from msgspec import Struct
from rich.console import Console
from rich.live import Live
from rich.text import Text as Styled

from ..client.extras import missing
from ..client.gateway import Gateway
from ..client.stt import Stt
from ..client.voxway import DEFAULT_EAR, DEFAULT_VOICE
from ..errors import ConfigError
from ..events import SpeakOptions
from ..text.alike import words, wrong
from . import exits, say
from .calling import caller
from .child import own_gateway
from .progress import Progress
from .sinks import Recording
from .sound import paced

SENTENCE = "Hello there! These words were spoken by one machine and written down by another."
FILE = "demo.wav"
WER_BOUND = 0.2
NEEDED = ("uvicorn", "litestar", "structlog", "hibari", "moonshine_voice", "pocketsphinx", "av")


class Heard(Struct, frozen=True):
    """What came back. Seconds from the first audio sent, and from the last."""

    text: str
    first_words: float
    delay: float


def run(*, play: bool, keep: bool) -> None:
    """Show it all; exit code 0 only if the words came back. Raises GatewayError."""
    if lacking := missing(*NEEDED):
        raise ConfigError(f"the demo needs {lacking}: pip install 'voxway[all]'")
    try:
        code = asyncio.run(_demo(play, keep))
    except asyncio.CancelledError:  # by SIGTERM or SIGHUP
        code = exits.INTERRUPTED
    sys.exit(code)


async def _demo(play: bool, keep: bool) -> int:
    _stop_on_signals()
    out = Console(highlight=False, markup=False)
    out.print("A sentence through the gateway: text to speech, and back to text.\n", style="bold")
    began = time.monotonic()
    with Progress("starting a gateway with two local engines…") as progress:
        async with own_gateway() as gateway:
            progress.hide()
            _step(out, "gateway", f"{gateway.http}, ready after {time.monotonic() - began:.1f} s")
            recording = await _speak(out, gateway, play)
            heard = await _listen(out, gateway, recording)
            is_right = _judge(out, heard)
            if keep:
                await _keep(out, gateway)
    return exits.OK if is_right else exits.FAILED


def _stop_on_signals() -> None:
    """End as with Ctrl-C, so that the gateway does not stay behind."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)


async def _speak(out: Console, gateway: Gateway, play: bool) -> Recording:
    recording = Recording()
    wish = say.Wish(SENTENCE, DEFAULT_VOICE, SpeakOptions(encoding="linear16"), FILE, play)
    sinks = [recording, *say.sinks_for(wish)]
    spoken = await say.speak_into(sinks, gateway, wish, SENTENCE)
    _step(
        out,
        "said",
        f"\u201c{SENTENCE}\u201d",
        f"by {DEFAULT_VOICE}: first audio after {spoken.first_audio * 1000:.0f} ms, "
        f"{spoken.audio:.1f} s of speech in {spoken.total:.2f} s",
    )
    return recording


async def _listen(out: Console, gateway: Gateway, recording: Recording) -> Heard:
    """Send the recording as fast as somebody would speak it, and show the words as they come."""
    sent = _Sent(recording)
    first_words = last = 0.0
    async with caller(gateway) as vox, vox.stt(DEFAULT_EAR, sample_rate=recording.rate) as stt:
        with Live(console=out, auto_refresh=False, transient=True) as live:
            async for part in stt.stream(sent.pieces()):
                first_words = first_words or time.monotonic() - sent.first
                if part.final:
                    last = time.monotonic()
                if out.is_terminal:
                    shown = f"{_line(stt)} {stt.transcript.partial}"
                    live.update(Styled(f"  {'heard':<9}{shown}", style="dim"), refresh=True)
    heard = Heard(_line(stt), first_words, last - sent.last if last else 0.0)
    detail = (
        f"by {DEFAULT_EAR}: first words after {heard.first_words:.1f} s, "
        f"the last {heard.delay * 1000:.0f} ms after the last sound"
    )
    _step(out, "heard", f"\u201c{heard.text}\u201d", detail)
    return heard


def _line(stt: Stt) -> str:
    return " ".join(final.text for final in stt.transcript.finals)


class _Sent:
    """The recording at the pace of speech, and when its audio was sent."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.first = self.last = 0.0

    async def pieces(self) -> AsyncIterator[bytes]:
        async def whole() -> AsyncIterator[bytes]:
            yield self._recording.pcm

        async for piece in paced(whole(), self._recording.rate):
            self.last = time.monotonic()
            self.first = self.first or self.last
            yield piece


def _step(out: Console, name: str, text: str, detail: str = "") -> None:
    out.print(Styled.assemble((f"  {name:<9}", "bold cyan"), text), soft_wrap=True)
    if detail:
        out.print(f"  {'':<9}{detail}", style="dim", soft_wrap=True)


def _judge(out: Console, heard: Heard) -> bool:
    said = words(SENTENCE)
    errors = wrong(said, words(heard.text))
    rate = errors / len(said)
    is_right = rate <= WER_BOUND
    verdict = (
        f"word for word: all {len(said)} words came back"
        if not errors
        else f"word error rate {rate:.0%}: {errors} of {len(said)} words"
    )
    mark, style = ("✓", "bold green") if is_right else ("✗", "bold red")
    out.print(f"\n{mark} {verdict}", style=style)
    out.print(f"  The speech is in {FILE}.")
    if is_right:
        called = "voxway" if shutil.which("voxway") else sys.argv[0]
        text = f'  Next: `{called} serve`, and in another terminal `{called} say "Good morning."`'
        out.print(text, soft_wrap=True)
    return is_right


async def _keep(out: Console, gateway: Gateway) -> None:
    """Leave the gateway up until Ctrl-C, which is then no failure."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    out.print("\n  The gateway stays up until Ctrl-C. In another terminal:")
    out.print(f"  export VOXWAY_URL={gateway.url} VOXWAY_API_KEY={gateway.key}", soft_wrap=True)
    await stop.wait()
