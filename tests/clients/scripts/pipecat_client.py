"""pipecat-slng, and services of pipecat's own (`service` in the options): in a pipeline, driven by
the frames that a bot would push."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import driver
from pipecat.frames import frames as f
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.rime.tts import RimeNonJsonTTSService, RimeTTSService
from pipecat.services.rime.tts_v1 import RimeV1TTSService
from pipecat.workers.runner import WorkerRunner
from pipecat_slng import SlngHttpTTSService, SlngSTTService, SlngTTSService

RATE = 16_000  # Hz, of what is recognized
CHUNK = 640  # bytes, 20 ms: what a transport pushes
PATIENCE = 30.0  # seconds


class Sink(FrameProcessor):  # type: ignore[misc]
    """The end of the pipeline: what the bot's user would hear and the bot would read."""

    def __init__(self) -> None:
        super().__init__()
        self.speech: dict[str, bytes] = {}
        self.stopped: list[str] = []
        self.transcripts: list[dict[str, Any]] = []
        self.rate = 0
        self.news = asyncio.Event()

    async def process_frame(self, frame: f.Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case f.TTSAudioRawFrame():
                known = self.speech.get(frame.context_id, b"")
                self.speech[frame.context_id] = known + frame.audio
                self.rate = frame.sample_rate
            case f.TTSStoppedFrame():
                self.stopped.append(frame.context_id)
            case f.TranscriptionFrame():
                self._note(frame, final=True, finalized=frame.finalized)
            case f.InterimTranscriptionFrame():
                self._note(frame, final=False)
        self.news.set()
        await self.push_frame(frame, direction)

    def _note(self, frame: Any, **flags: bool) -> None:
        self.transcripts.append({"text": frame.text, "language": frame.language, **flags})

    @property
    def finals(self) -> int:
        return sum(transcript["final"] for transcript in self.transcripts)

    def said(self) -> dict[str, Any]:
        """What was spoken, an entry for each utterance in the order in which they came."""
        return {"said": list(map(driver.packed, self.speech.values())), "rate": self.rate}


class Bot:
    """A running pipeline around one service."""

    def __init__(self, worker: PipelineWorker, sink: Sink) -> None:
        self.errors: list[str] = []
        self.sink = sink
        self.push = worker.queue_frame
        self.running: asyncio.Task[None] | None = None

    async def speak(self, text: str) -> None:
        await self.push(f.TTSSpeakFrame(text))

    async def until(self, reached: Any) -> None:
        """Until a condition holds, or the pipeline reports an error."""
        async with asyncio.timeout(PATIENCE):
            while not reached() and not self.errors:
                self.sink.news.clear()
                await self.sink.news.wait()

    async def spoken(self, utterances: int) -> None:
        await self.until(lambda: len(self.sink.stopped) >= utterances)

    def answer(self, **more: Any) -> dict[str, Any]:
        return {**self.sink.said(), "errors": self.errors, **more}


@asynccontextmanager
async def bot(service: FrameProcessor, **params: Any) -> AsyncIterator[Bot]:
    sink = Sink()
    worker = PipelineWorker(
        Pipeline([service, sink]),
        params=PipelineParams(audio_in_sample_rate=RATE, **params),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    running = Bot(worker, sink)

    async def note(worker: Any, frame: Any) -> None:
        running.errors.append(frame.error)
        sink.news.set()

    worker.add_event_handler("on_pipeline_error", note)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    task = asyncio.create_task(runner.run())
    try:
        yield running
        await worker.queue_frame(f.EndFrame())
        await asyncio.wait_for(task, PATIENCE)
    finally:
        task.cancel()
        await asyncio.wait([task])


RIME = {"ws3": RimeTTSService, "ws": RimeNonJsonTTSService, "v1": RimeV1TTSService}


def voice(options: dict[str, Any]) -> FrameProcessor:
    """The service for speech."""
    named = dict(options)
    if (kind := RIME.get(named.pop("service", ""))) is None:
        return SlngTTSService(**named)
    return kind(settings=kind.Settings(**named.pop("settings")), **named)


async def say(options: dict[str, Any], texts: list[str], wait: bool = True) -> dict[str, Any]:
    """One utterance each, after the other is over or without waiting."""
    async with bot(voice(options)) as running:
        for number, text in enumerate(texts, 1):
            await running.speak(text)
            if wait:
                await running.spoken(number)
        await running.spoken(len(texts))
        return running.answer()


async def answer(options: dict[str, Any], pieces: list[str]) -> dict[str, Any]:
    """The turn of a language model: several sentences, one utterance."""
    async with bot(voice(options)) as running:
        await running.push(f.LLMFullResponseStartFrame())
        for piece in pieces:
            await running.push(f.LLMTextFrame(piece))
        await running.push(f.LLMFullResponseEndFrame())
        await running.spoken(1)
        return running.answer()


async def say_nothing(options: dict[str, Any], blank: str, then: str) -> dict[str, Any]:
    async with bot(voice(options)) as running:
        await running.speak(blank)
        await running.speak(then)
        await running.until(lambda: running.sink.stopped and running.sink.speech)
        return running.answer()


async def interrupt(options: dict[str, Any], text: str, then: str) -> dict[str, Any]:
    """The user speaks at the first sound of a long text; then the bot says something else."""
    async with bot(voice(options)) as running:
        await running.speak(text)
        await running.until(lambda: running.sink.speech)
        await running.push(f.InterruptionFrame())
        await asyncio.sleep(0.2)  # as long as a user takes to speak, at the least
        running.errors.clear()  # the turn that was given up is reported as such
        old = set(running.sink.speech)
        await running.speak(then)
        await running.until(
            lambda: (
                any(context not in old for context in running.sink.stopped)
                and set(running.sink.speech) - old
            )
        )
        new = [speech for context, speech in running.sink.speech.items() if context not in old]
        return {"said": list(map(driver.packed, new)), "errors": running.errors}


async def change(options: dict[str, Any], text: str, **settings: Any) -> dict[str, Any]:
    """The same text before and after a change of the settings."""
    async with bot(voice(options)) as running:
        await running.speak(text)
        await running.spoken(1)
        delta = SlngTTSService.Settings(**settings)
        await running.push(f.TTSUpdateSettingsFrame(delta=delta))
        await running.speak(text)
        await running.spoken(2)
        return running.answer()


async def say_over_http(options: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    async with bot(SlngHttpTTSService(**options)) as running:
        for number, text in enumerate(texts, 1):
            await running.speak(text)
            await running.spoken(number)
        return running.answer()


async def hear(options: dict[str, Any], clips: list[str], abrupt: bool = False) -> dict[str, Any]:
    """Each clip a turn, whose end the voice detection of the bot tells."""
    async with bot(SlngSTTService(**options)) as running:
        for clip in map(driver.unpacked, clips):
            before = running.sink.finals
            await running.push(f.VADUserStartedSpeakingFrame())
            for at in range(0, len(clip), CHUNK):
                await running.push(f.InputAudioRawFrame(clip[at : at + CHUNK], RATE, 1))
            if not abrupt:
                await running.push(f.VADUserStoppedSpeakingFrame())
                await running.until(lambda before=before: running.sink.finals > before)
        return {"heard": running.sink.transcripts, "errors": running.errors}


async def fail(options: dict[str, Any], service: str) -> dict[str, Any]:
    """Connect, and be refused."""
    kinds = {"tts": SlngTTSService, "stt": SlngSTTService, "http": SlngHttpTTSService}
    async with bot(kinds[service](**options)) as running:
        if service == "http":
            await running.speak("Hello.")
        await running.until(lambda: running.errors)
        return {"errors": running.errors}


if __name__ == "__main__":
    scenarios = (say, answer, say_nothing, interrupt, change, say_over_http, hear, fail)
    driver.serve({scenario.__name__: scenario for scenario in scenarios})
