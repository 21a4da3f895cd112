"""Cartesia's HTTP endpoints: speech as bytes or in events, and recognition of files.

From cartesia 4.2: what it sends and reads.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import UNSET, Meta, Struct, UnsetType, field, json, structs

from ..audio.formats import encoding_named
from ..errors import GatewayError
from ..events import Audio, Failed, Flushed, ListenOptions, Ready, SpeakOptions, Words
from ..routes import in_dialect, native_wire
from ..wire import cartesia
from ..wire.base import Opening, Timings, parser
from ..wire.cartesia_messages import OutputMsg, TimedWord, done
from ..wire.cartesia_request import OutputFormat, RequestMsg, Voice, options_of
from ..wire.cartesia_stt import RAW
from .admission import Admission, audio_bound, text_bound
from .described import ANY_BODY, EVENT_STREAM, Operation, form, in_query
from .errors import Refuse
from .services import Services, arrival, asking
from .speech import EVENTS, Manner, Part, Plainly, Speech, speak, sse
from .stamp import request_id_of
from .telling import told
from .transcribing import transcribe
from .uploads import Upload, Wishes, form_of, from_file

AnyRequest = Request[Any, Any, Any]

BYTES, SSE, STT = "/tts/bytes", "/tts/sse", "/stt"

Encoding = Literal["pcm_f32le", "pcm_s16le", "pcm_mulaw", "pcm_alaw"]
Rate = Literal[8_000, 16_000, 22_050, 24_000, 44_100, 48_000]


class RawFormat(Struct, frozen=True, tag_field="container", tag="raw"):
    encoding: Encoding
    sample_rate: Rate


class RawOnly(Struct, frozen=True):
    """The same where there is no other: a tag that stands alone may be left out."""

    container: Literal["raw"]
    encoding: Encoding
    sample_rate: Rate


class WavFormat(RawFormat, frozen=True, tag_field="container", tag="wav"):
    """The same behind a header."""


class Mp3Format(Struct, frozen=True, tag_field="container", tag="mp3"):
    sample_rate: Rate
    bit_rate: Literal[32_000, 64_000, 96_000, 128_000, 192_000] | None = None


class SonicBody(Struct, frozen=True, kw_only=True):
    """What to say and how. Fields that the model does not know are told in `x-slng-warning`."""

    model_id: str
    transcript: Annotated[str, Meta(min_length=1, description="What to say.")]
    voice: Voice | str
    language: str | None = None
    generation_config: dict[str, Any] | None = None
    speed: float | Literal["slow", "normal", "fast"] | None = None
    pronunciation_dict_id: str | None = None


class BytesBody(SonicBody, frozen=True, kw_only=True):
    """The same with an answer in any format."""

    output_format: RawFormat | WavFormat | Mp3Format


class EventsBody(SonicBody, frozen=True, kw_only=True):
    """The same with an answer in events."""

    output_format: RawOnly
    context_id: str | None = None
    add_timestamps: bool | None = None


class ChunkMsg(Struct, tag="chunk", frozen=True):
    context_id: str
    data: bytes
    done: bool
    status_code: int
    step_time: float


class InkQuery(Struct, frozen=True):
    """What raw samples are. A file tells it by itself."""

    encoding: str | None = None
    sample_rate: int | None = None


class InkForm(Struct, frozen=True):
    """How to listen."""

    model: str
    language: str | None = None
    granularities: tuple[Literal["word"], ...] = field(default=(), name="timestamp_granularities[]")


class InkAnswer(Struct, frozen=True):
    """What was heard in a file. Words are told if they were asked for."""

    type: str
    text: str
    language: str
    duration: float
    is_final: bool
    request_id: str
    words: tuple[TimedWord, ...] | UnsetType = UNSET


REFUSALS: dict[str, Refuse] = {"/tts/": cartesia.refusal, STT: cartesia.refusal}
OPERATIONS = {
    BYTES: Operation(
        {"application/json": BytesBody},
        dict.fromkeys(
            ("audio/mpeg", "audio/wav", "audio/pcm", "audio/pcmu", "audio/pcma"), ANY_BODY
        ),
        error=cartesia.RefusalMsg,
    ),
    SSE: Operation({"application/json": EventsBody}, EVENT_STREAM, error=cartesia.RefusalMsg),
    STT: Operation(
        {"multipart/form-data": form(InkForm)},
        {"application/json": InkAnswer},
        in_query(InkQuery),
        cartesia.RefusalMsg,
    ),
}

_bytes_body, _events_body = parser(BytesBody), parser(EventsBody)


class Events:
    """The manner of the stream of events: each is named by its type."""

    def __init__(self, context_id: str) -> None:
        self._context = context_id

    def begin(self, ready: Ready) -> tuple[str, bytes]:
        return EVENTS, b""

    def tell(self, part: Part) -> bytes:
        match part:
            case Audio(data=data):
                return sse(ChunkMsg(self._context, data, False, 206, 0.0), "chunk")
            case Words(words=words):
                timings = Timings(
                    tuple(word.text for word in words),
                    tuple(round(word.start, 3) for word in words),
                    tuple(round(word.end, 3) for word in words),
                )
                message = OutputMsg("timestamps", False, 206, self._context, timings)
                return sse(message, "timestamps")
            case Flushed():
                return sse(done(self._context), "done")

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        failed = Failed(error.error, error.message)
        return sse(cartesia.error_message(failed, request_id, self._context), "error")


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """All routes."""
    guards = [admission.bounded(text_bound)]

    @post(BYTES, guards=guards, status_code=200)
    async def cartesia_bytes(request: AnyRequest) -> ASGIApp:
        """Speak a text, as Cartesia does"""
        body = await request.body()
        said: BytesBody = _bytes_body(body)
        manner = Plainly(is_wav=isinstance(said.output_format, WavFormat))
        return await _speech(services, request, said, body, manner)

    @post(SSE, guards=guards, status_code=200)
    async def cartesia_events(request: AnyRequest) -> ASGIApp:
        """Speak a text as it is made, in events, as Cartesia does"""
        body = await request.body()
        said: EventsBody = _events_body(body)
        manner = Events(said.context_id or request_id_of(request.scope))
        return await _speech(services, request, said, body, manner)

    ear = in_dialect("cartesia_stt", native_wire("cartesia_stt", "stt"))

    @post(STT, guards=[admission.bounded(audio_bound)], status_code=200, request_max_body_size=None)
    async def cartesia_listen(request: AnyRequest) -> Response[Any]:
        """Write down what is said, as Cartesia does"""
        query, _ = Opening(tuple(asking(request).query)).read(InkQuery)
        encoding = query.encoding and encoding_named(query.encoding, RAW, "encoding")
        fields, file = await form_of(request, "file")
        said, extra = Opening(fields).read(InkForm)
        visit = arrival(services, request, structs.replace(ear, named=said.model))
        options = ListenOptions(
            language=said.language, word_timestamps=bool(said.granularities), extra=extra
        )
        wishes = Wishes(encoding=encoding, sample_rate=query.sample_rate)
        upload = Upload(wishes, from_file(file), usual="")
        heard = await transcribe(services, visit, upload, options, request.receive)
        words = tuple(TimedWord(w.text, round(w.start, 3), round(w.end, 3)) for w in heard.words)
        answer = InkAnswer(
            "transcript",
            heard.text,
            heard.language or options.language or visit.found.model.default_language,
            round(heard.seconds, 3),
            True,
            visit.request_id,
            words if said.granularities else UNSET,
        )
        return Response(
            answer, headers={**cartesia.request_headers(visit.request_id), **told(heard.warnings)}
        )

    return [cartesia_bytes, cartesia_events, cartesia_listen]


async def _speech(
    services: Services,
    request: AnyRequest,
    said: BytesBody | EventsBody,
    body: bytes,
    manner: Manner,
) -> Speech:
    voice = in_dialect("cartesia_tts", native_wire("cartesia_tts", "tts"), named=said.model_id)
    visit = arrival(services, request, voice)
    known = type(said).__struct_fields__
    extra = {name: value for name, value in json.decode(body).items() if name not in known}
    direct = await speak(services, visit, read_speech(said, extra), said.transcript)
    return Speech(direct, manner, cartesia.request_headers(visit.request_id))


def read_speech(said: BytesBody | EventsBody, extra: dict[str, Any]) -> SpeakOptions:
    """How to speak: as on the socket, but for MP3. Raises ProtocolError that names the field."""
    format = said.output_format
    mp3 = format if isinstance(format, Mp3Format) else None
    raw = (
        format
        if isinstance(format, RawFormat | RawOnly)
        else RawFormat("pcm_s16le", format.sample_rate)
    )
    options = options_of(
        RequestMsg(
            context_id="http",
            voice=said.voice,
            output_format=OutputFormat("raw", raw.encoding, raw.sample_rate),
            language=said.language,
            add_timestamps=isinstance(said, EventsBody) and said.add_timestamps,
            generation_config=said.generation_config,
            speed=said.speed,
            pronunciation_dict_id=said.pronunciation_dict_id,
        )
    )
    given = {name: value for name, value in extra.items() if value is not None}
    if mp3 and mp3.bit_rate:
        given["bit_rate"] = mp3.bit_rate
    encoding = "mp3" if mp3 else options.encoding
    return structs.replace(options, encoding=encoding, extra=options.extra | given)
