"""`POST` for recognition: on the bridge, and on the documented route with words and times."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from ..events import ListenOptions, Word
from ..visit import Visit
from ..wire.unified_messages import TimedWord
from .admission import Admission, audio_bound
from .hearing import Heard
from .services import Services, arrival
from .telling import told
from .transcribing import transcribe
from .uploads import Upload, upload_of

AnyRequest = Request[Any, Any, Any]


class BridgeAlternative(Struct, frozen=True, omit_defaults=True):
    """What was heard. `confidence` is left out if the model tells none."""

    transcript: str
    confidence: float | None = None


class BridgeTranscription(Struct, frozen=True):
    """The bridge's answer."""

    type: str
    is_final: bool
    alternatives: tuple[BridgeAlternative, ...]
    channel: int
    language: str


class Alternative(Struct, frozen=True, omit_defaults=True):
    """The same, with its words."""

    transcript: str
    words: tuple[TimedWord, ...]
    confidence: float | None = None


class Channel(Struct, frozen=True):
    alternatives: tuple[Alternative, ...]


class Results(Struct, frozen=True):
    channels: tuple[Channel, ...]


class Metadata(Struct, frozen=True):
    request_id: str
    model: str
    duration: float
    channels: int


class Transcription(Struct, frozen=True, omit_defaults=True):
    """The documented answer, in both shapes that the documents show."""

    transcript: str
    language: str
    duration_seconds: float
    words: tuple[TimedWord, ...]
    metadata: Metadata
    results: Results
    confidence: float | None = None


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """The two routes."""
    guard = admission.bounded(audio_bound)

    @post(
        "/v1/bridges/unmute/stt/{model:path}",
        guards=[guard],
        status_code=200,
        request_max_body_size=None,
    )
    async def bridge_listen(request: AnyRequest) -> Response[BridgeTranscription]:
        """Write down what is said

        The audio comes as a form, as JSON in base64, or as it is."""
        visit = arrival(services, request)
        heard, language = await _heard(services, visit, request, with_words=False)
        alternative = BridgeAlternative(heard.text, heard.confidence)
        answer = BridgeTranscription("transcription", True, (alternative,), 1, language)
        return Response(answer, headers=told(heard.warnings))

    @post("/v1/stt/{model:path}", guards=[guard], status_code=200, request_max_body_size=None)
    async def listen(request: AnyRequest) -> Response[Transcription]:
        """Write down what is said, with words and times

        The audio comes as a form, as JSON in base64, or as it is."""
        visit = arrival(services, request)
        heard, language = await _heard(services, visit, request, with_words=True)
        return Response(_transcription(visit, heard, language), headers=told(heard.warnings))

    return [bridge_listen, listen]


async def _heard(
    services: Services, visit: Visit, request: AnyRequest, *, with_words: bool
) -> tuple[Heard, str]:
    """What was heard, and in which language."""
    upload = await upload_of(request)
    options = _options(visit, upload, with_words=with_words)
    heard = await transcribe(services, visit, upload, options, request.receive)
    return heard, heard.language or options.language or visit.found.model.default_language


def _options(visit: Visit, upload: Upload, *, with_words: bool) -> ListenOptions:
    wishes, model = upload.wishes, visit.found.model
    extra = {
        name: value
        for name in ("punctuate", "smart_format", "keywords")
        if (value := getattr(wishes, name)) is not None
    }
    return ListenOptions(
        language=wishes.language or visit.language,
        word_timestamps=with_words and "word_timestamps" in model.capabilities,
        diarization=wishes.diarize,
        extra=extra,
    )


def _transcription(visit: Visit, heard: Heard, language: str) -> Transcription:
    words = tuple(map(_timed, heard.words))
    alternative = Alternative(heard.text, words, heard.confidence)
    seconds = round(heard.seconds, 3)
    return Transcription(
        transcript=heard.text,
        language=language,
        duration_seconds=seconds,
        words=words,
        metadata=Metadata(visit.request_id, visit.found.asked, seconds, 1),
        results=Results((Channel((alternative,)),)),
        confidence=heard.confidence,
    )


def _timed(word: Word) -> TimedWord:
    return TimedWord(
        word.text, round(word.start, 3), round(word.end, 3), word.confidence, word.speaker
    )
