"""OpenAI's HTTP endpoints: `/v1/audio/speech`, `/v1/audio/transcriptions`, one of `/v1/models`.

From openai 3.54: what it sends and reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, Literal

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta, Struct, field, json, structs

from ..errors import ConfigError, GatewayError, ProtocolError, TooLargeError, refused
from ..events import Audio, Flushed, ListenOptions, Ready, SpeakOptions, Transcript, Warning
from ..routes import in_dialect, native_wire
from ..visit import Visit
from ..wire.base import Opening, Refused, parser
from .account import Listed, listed
from .admission import Admission, audio_bound, text_bound
from .described import ANY_BODY, EVENT_STREAM, Operation, form, in_path
from .errors import Refuse
from .forms import Form
from .hearing import Heard, Tell
from .openai_answers import (
    DeltaMsg,
    DoneMsg,
    HeardSpeakers,
    HeardText,
    HeardVerbosely,
    ResponseFormat,
    answer_in,
    speakers,
)
from .presence import GoneError
from .services import Services, arrival
from .speech import EVENTS, Manner, Part, Plainly, Speech, speak, sse
from .telling import told
from .transcribing import transcribe
from .uploads import Upload, Wishes, form_of, from_file

AnyRequest = Request[Any, Any, Any]

SPEECH, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/transcriptions"
MODEL = "/v1/models/{model}"
MAX_FILE = 25 * 1024 * 1024  # bytes

# Format -> our encoding, and whether it gets a header.
FORMATS = {
    "mp3": ("mp3", False),
    "opus": ("opus", False),
    "wav": ("linear16", True),
    "pcm": ("linear16", False),
    "flac": ("flac", False),
    "aac": ("aac", False),
}
RATE = 24_000  # Hz
SPEEDS = (0.25, 4.0)


class VoiceId(Struct, frozen=True):
    id: str


class SpeechRequest(Struct, frozen=True):
    """What to say and how. Fields that the model does not know are told in `x-slng-warning`."""

    model: str
    input: Annotated[str, Meta(min_length=1, max_length=4096, description="What to say.")]
    voice: str | VoiceId | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Meta(description="0.25 to 4.")] | None = None
    stream_format: Literal["audio", "sse"] = "audio"


READ = frozenset(SpeechRequest.__struct_fields__)


class TranscriptionForm(Struct, frozen=True):
    """How to listen. Fields that the model does not know are told in `x-slng-warning`."""

    model: str
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    response_format: ResponseFormat = "json"
    stream: bool = False
    granularities: tuple[Literal["word", "segment"], ...] = field(
        default=(), name="timestamp_granularities[]"
    )


# What asks for nothing but what is done anyway.
IGNORED = {"chunking_strategy": "auto"}


class Problem(Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str


class OpenAiError(Struct, frozen=True):
    """How OpenAI refuses, in an answer or within a stream."""

    error: Problem


NATIVE = {
    "auth_error": "invalid_api_key",
    "rate_limit": "rate_limit_exceeded",
    "rate_limit_exceeded": "rate_limit_exceeded",
    "quota_exceeded": "insufficient_quota",
}


def problem(error: GatewayError) -> OpenAiError:
    status = error.rule.http_status
    kind = "requests" if status == 429 else "invalid_request_error"
    kind = "server_error" if status >= 500 else kind
    code = NATIVE.get(error.error, error.error)
    return OpenAiError(Problem(error.message, kind, error.param, code))


def refusal(error: GatewayError, request_id: str) -> Refused:
    body, headers = refused(error, request_id)
    return Refused(body.status, problem(error), headers)


REFUSALS: dict[str, Refuse] = {"/v1/audio/": refusal, "/v1/models/": refusal}
OPERATIONS = {
    SPEECH: Operation(
        {"application/json": SpeechRequest},
        dict.fromkeys(("audio/mpeg", "audio/ogg", "audio/wav", "audio/pcm"), ANY_BODY)
        | EVENT_STREAM,
        error=OpenAiError,
    ),
    TRANSCRIPTIONS: Operation(
        {"multipart/form-data": form(TranscriptionForm)},
        {
            "application/json": (HeardVerbosely, HeardSpeakers, HeardText),
            "text/plain": {"schema": {"type": "string"}},
            **EVENT_STREAM,
        },
        error=OpenAiError,
    ),
    MODEL: Operation(
        gives={"application/json": Listed},
        parameters=(in_path("model", "The model's id, as GET /v1/models gives it."),),
        error=OpenAiError,
    ),
}


class DeltaEvent(Struct, tag="speech.audio.delta", frozen=True):
    audio: bytes


class Tokens(Struct, frozen=True):
    """Nobody counts them here."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


class DoneEvent(Struct, tag="speech.audio.done", frozen=True):
    usage: Tokens


class Events:
    """The manner of the stream of events."""

    def __init__(self, *, is_wav: bool) -> None:
        self._is_wav = is_wav

    def begin(self, ready: Ready) -> tuple[str, bytes]:
        head = Form(ready.encoding, ready.sample_rate, self._is_wav).head
        return EVENTS, sse(DeltaEvent(head)) if head else b""

    def tell(self, part: Part) -> bytes:
        match part:
            case Audio(data=data):
                return sse(DeltaEvent(data))
            case Flushed():
                return sse(DoneEvent(Tokens()))
            case _:
                return b""

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        return sse(problem(error))


read_request = parser(SpeechRequest)


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """All routes."""

    @post(SPEECH, guards=[admission.bounded(text_bound)], status_code=200)
    async def openai_speak(request: AnyRequest) -> ASGIApp:
        """Speak a text, as OpenAI does"""
        body = await request.body()
        said: SpeechRequest = read_request(body)
        voice = in_dialect("openai_http", native_wire("openai_http", "tts"), named=said.model)
        visit = arrival(services, request, voice)
        options, warnings = read_speech(said, visit, body)
        is_wav = FORMATS[said.response_format][1]
        manner: Manner = Plainly(is_wav=is_wav)
        if said.stream_format == "sse":
            manner = Events(is_wav=is_wav)
        return Speech(await speak(services, visit, options, said.input), manner, warnings=warnings)

    ear = in_dialect("openai_http", native_wire("openai_http", "stt"))

    @post(
        TRANSCRIPTIONS,
        guards=[admission.bounded(audio_bound)],
        status_code=200,
        request_max_body_size=None,
    )
    async def openai_listen(request: AnyRequest) -> ASGIApp:
        """Write down what is said, as OpenAI does

        With `stream` the answer comes in events, each with what was said between two pauses."""
        fields, file = await form_of(request, "file")
        said, extra = Opening(fields).read(TranscriptionForm)
        check_size(file)
        visit = arrival(services, request, structs.replace(ear, named=said.model))
        options = read_transcription(said, visit, extra)
        upload = Upload(Wishes(), from_file(file), usual="")

        async def work(receive: Receive, tell: Tell | None = None) -> Heard:
            return await transcribe(services, visit, upload, options, receive, tell)

        if said.stream:
            return Dictation(work, with_speakers=said.response_format == "diarized_json")
        heard = await work(request.receive)
        language = heard.language or options.language or visit.found.model.default_language
        answer = answer_in(heard, said.response_format, said.granularities, language)
        headers = told(heard.warnings)
        media_type = "text/plain" if isinstance(answer, str) else "application/json"
        response: Response[Any] = Response(answer, headers=headers, media_type=media_type)
        return response.to_asgi_response(None, request)

    @get("/v1/models/{model:path}", guards=[admission.keyed], sync_to_thread=False)
    def openai_model(request: AnyRequest) -> Listed:
        """One of the models that can be used now"""
        id = str(request.path_params["model"]).strip("/")
        found = next((m for m in services.catalog() if m.usable and m.id == id), None)
        if found is None:
            raise ProtocolError(f"no model {id[:100]!r} here", code="model_not_found")
        return listed(found)

    return [openai_speak, openai_listen, openai_model]


def read_speech(
    said: SpeechRequest, visit: Visit, body: bytes
) -> tuple[SpeakOptions, tuple[Warning, ...]]:
    """How to speak, and what is not done. The speeds of OpenAI go further than those of models:
    such a one is as near as can be. Raises ConfigError for one that is not OpenAI's either."""
    least, most = SPEEDS
    if said.speed is not None and not least <= said.speed <= most:
        raise ConfigError(f"speed {said.speed} is outside {least:g}-{most:g}", param="speed")
    slowest, fastest = visit.found.model.speeds
    speed = said.speed and min(max(said.speed, slowest), fastest)
    text = f"speed {said.speed} is outside {slowest:g}-{fastest:g} of {visit.found.model.id}"
    warning = Warning("unsupported_option", f"{text}: {speed} is used", "speed")
    extra = {name: value for name, value in json.decode(body).items() if name not in READ}
    options = SpeakOptions(
        voice=said.voice.id if isinstance(said.voice, VoiceId) else said.voice,
        encoding=FORMATS[said.response_format][0],
        sample_rate=RATE,
        speed=speed,
        extra={name: value for name, value in extra.items() if value is not None},
    )
    return options, () if speed == said.speed else (warning,)


def check_size(file: UploadFile) -> None:
    """Raises TooLargeError."""
    size = file.file.seek(0, 2)
    file.file.seek(0)
    if size > MAX_FILE:
        raise TooLargeError(f"file of {size} bytes is over {MAX_FILE}", param="file")


def read_transcription(
    said: TranscriptionForm, visit: Visit, extra: dict[str, Any]
) -> ListenOptions:
    """How to listen. Raises ConfigError for speakers that the model cannot tell apart."""
    able, format = visit.found.model.capabilities, said.response_format
    wants_speakers = format == "diarized_json"
    if wants_speakers and "diarization" not in able:
        message = f"response_format {format}: {visit.found.model.id} tells no speakers apart"
        raise ConfigError(message, param="response_format")
    gains_words = format in ("srt", "vtt", "diarized_json") and "word_timestamps" in able
    given = {"prompt": said.prompt, "temperature": said.temperature, **extra}
    return ListenOptions(
        language=said.language or None,
        word_timestamps=gains_words or "word" in said.granularities,
        diarization=wants_speakers,
        extra={
            name: value
            for name, value in given.items()
            if value not in (None, "") and value != IGNORED.get(name)
        },
    )


Work = Callable[[Receive, Tell], Awaitable[Heard]]


class Dictation:
    """An ASGI answer with what is heard, as it is heard. `with_speakers` tells who says what."""

    def __init__(self, work: Work, *, with_speakers: bool) -> None:
        self._work = work
        self._with_speakers = with_speakers
        self._said = 0  # speakers' segments
        self._warnings: list[Warning] = []
        self._has_begun = self._has_text = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(event: Transcript | Warning) -> None:
            if isinstance(event, Warning):
                self._warnings.append(event)
                return
            for message in self._messages(event):
                await self._send(send, sse(message))

        try:
            heard = await self._work(receive, tell)
            await self._send(send, sse(DoneMsg(heard.text)))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (GatewayError, GoneError) as error:
            if not self._has_begun:
                raise
            if isinstance(error, GatewayError):
                await self._send(send, sse(problem(error)))
            # Without the end of the body, the server cuts the connection.

    def _messages(self, final: Transcript) -> Iterator[Struct]:
        if final.text:
            yield DeltaMsg(f" {final.text}" if self._has_text else final.text)
            self._has_text = True
        if self._with_speakers:
            for segment in speakers((final,), self._said + 1):
                self._said += 1
                yield segment

    async def _send(self, send: Send, body: bytes) -> None:
        if not self._has_begun:
            headers = {"content-type": EVENTS, "cache-control": "no-store", **told(self._warnings)}
            raw = [(name.encode(), text.encode()) for name, text in headers.items()]
            await send({"type": "http.response.start", "status": 200, "headers": raw})
            self._has_begun = True
        await send({"type": "http.response.body", "body": body, "more_body": True})
