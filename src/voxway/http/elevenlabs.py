"""ElevenLabs' HTTP endpoints: speech whole or as it is made, with the times of its characters or
without, and recognition of files.

From elevenlabs 2.78: what it sends and reads.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import UNSET, Meta, Struct, UnsetType, json, structs

from ..direct import Direct
from ..errors import ConfigError, GatewayError, refused
from ..events import Audio, Flushed, ListenOptions, Ready, Words
from ..routes import in_dialect, native_wire
from ..wire.base import Opening, Refused, parser
from ..wire.elevenlabs_messages import InputMsg
from ..wire.elevenlabs_options import FORMATS, Format, formats, options_in, options_with
from ..wire.elevenlabs_stt_messages import TimedWord
from ..wire.elevenlabs_stt_options import TWO_LETTERS
from ..wire.elevenlabs_stt_words import timed
from .admission import Admission, audio_bound, text_bound
from .described import ANY_BODY, Content, Operation, form, in_path, in_query
from .errors import Refuse
from .hearing import Heard
from .services import Services, arrival, asking
from .speech import Part, Plainly, Speech, speak, whole
from .spelling import Characters, Spelling
from .stamp import request_id_of
from .telling import told
from .transcribing import transcribe
from .uploads import Upload, Wishes, form_of, from_file

AnyRequest = Request[Any, Any, Any]

SPEECH, SCRIBE = "/v1/text-to-speech/{voice}", "/v1/speech-to-text"
LINES = "application/x-ndjson"

# Beyond those of the sockets; WAV is for whole answers.
STREAMED = FORMATS | formats("mp3_24000_48 pcm_32000")
WAV = {name.replace("pcm", "wav"): given for name, given in STREAMED.items() if name[:3] == "pcm"}
# Models for files: those of streams are asked in their place.
OF_FILES = ("scribe_v1", "scribe_v1_experimental", "scribe_v2")
THREE_LETTERS = {two: three for three, two in TWO_LETTERS.items()}


class Detail(Struct, frozen=True):
    status: str
    message: str


class ElevenLabsError(Struct, frozen=True):
    """How ElevenLabs refuses."""

    detail: Detail


# Our code -> the status and the name there. All others are told by our own names.
NATIVE = {
    "auth_error": "invalid_api_key",
    "rate_limit": "too_many_concurrent_requests",
    "rate_limit_exceeded": "too_many_concurrent_requests",
}


def refusal(error: GatewayError, request_id: str) -> Refused:
    body, headers = refused(error, request_id)
    status, name = body.status, NATIVE.get(error.error, error.error)
    if error.error == "config_error" and error.param == "voice":
        status, name = 404, "voice_not_found"
    told_headers = {**headers, "request-id": request_id}
    return Refused(status, ElevenLabsError(Detail(name, error.message)), told_headers)


class SpeechQuery(Struct, frozen=True):
    output_format: str = "mp3_44100_128"


class SpeechBody(Struct, frozen=True):
    """What to say and how. Fields that the model does not know are told in `x-slng-warning`."""

    text: Annotated[str, Meta(min_length=1, description="What to say.")]
    model_id: str | None = None
    language_code: str | None = None
    voice_settings: dict[str, float | bool | None] | None = None
    pronunciation_dictionary_locators: list[dict[str, Any]] | None = None
    seed: int | None = None
    apply_text_normalization: Literal["auto", "on", "off"] | None = None


READ = {"text", "model_id", "language_code", "voice_settings", "pronunciation_dictionary_locators"}


class AlignedSpeech(Struct, frozen=True):
    """Some audio and what is said in it. Over a stream, one such object a line; its times are from
    the start of all the audio."""

    audio_base64: bytes
    alignment: Characters | None
    normalized_alignment: Characters | None


class ScribeForm(Struct, frozen=True):
    """How to listen. Fields that the model does not know are told in `x-slng-warning`."""

    model_id: str
    language_code: str | None = None
    timestamps_granularity: Literal["none", "word", "character"] = "word"
    diarize: bool = False
    file_format: Literal["pcm_s16le_16", "other"] = "other"
    webhook: bool = False
    use_multi_channel: bool = False


class HeardCharacter(Struct, frozen=True):
    text: str
    start: float
    end: float


class HeardWord(Struct, frozen=True):
    """A word, or the `spacing` between two."""

    text: str
    start: float | None
    end: float | None
    type: str
    logprob: float
    speaker_id: str | UnsetType = UNSET
    characters: tuple[HeardCharacter, ...] | UnsetType = UNSET


class HeardSpeech(Struct, frozen=True):
    """What was heard in a file."""

    language_code: str
    language_probability: float
    text: str
    words: tuple[HeardWord, ...]
    transcription_id: str
    audio_duration_secs: float


REFUSALS: dict[str, Refuse] = {"/v1/text-to-speech/": refusal, SCRIBE: refusal}
AUDIO: Content = dict.fromkeys(
    ("audio/mpeg", "audio/pcm", "audio/pcmu", "audio/pcma", "audio/ogg"), ANY_BODY
)
_PARAMETERS = (in_path("voice", "The id of the voice."), *in_query(SpeechQuery))


def _speaking(gives: Content) -> Operation:
    return Operation({"application/json": SpeechBody}, gives, _PARAMETERS, ElevenLabsError)


OPERATIONS = {
    SPEECH: _speaking({**AUDIO, "audio/wav": ANY_BODY}),
    f"{SPEECH}/stream": _speaking(AUDIO),
    f"{SPEECH}/with-timestamps": _speaking({"application/json": AlignedSpeech}),
    f"{SPEECH}/stream/with-timestamps": _speaking({LINES: {"schema": {"type": "string"}}}),
    SCRIBE: Operation(
        {"multipart/form-data": form(ScribeForm)},
        {"application/json": HeardSpeech},
        error=ElevenLabsError,
    ),
}

_body = parser(SpeechBody)


class Lines:
    """The manner of the stream with times: a line of JSON for each piece of audio."""

    def __init__(self, text: str) -> None:
        self._spelling = Spelling(text)
        self._spelled: Characters | None = None
        self._waiting: Words = Words(())

    def begin(self, ready: Ready) -> tuple[str, bytes]:
        return LINES, b""

    def tell(self, part: Part) -> bytes:
        match part:
            case Words(words=words):
                self._waiting = Words((*self._waiting.words, *words))
                return b""
            case Audio(data=data):
                return self._line(data, self._take())
            case Flushed(duration=duration):
                late = [self._take(), self._spelling.rest(duration)]
                return b"".join(self._line(b"", each) for each in late if each)

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        return b""

    def _take(self) -> Characters | None:
        words, self._waiting = self._waiting.words, Words(())
        return self._spelling.take(words)

    def _line(self, data: bytes, spelled: Characters | None) -> bytes:
        return json.encode(AlignedSpeech(data, spelled, spelled)) + b"\n"


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """All routes."""
    path, guards = "/v1/text-to-speech/{voice:str}", [admission.bounded(text_bound)]

    @post(path, guards=guards, status_code=200)
    async def elevenlabs_speak(request: AnyRequest) -> ASGIApp:
        """Speak a text, as ElevenLabs does"""
        is_wav = request.query_params.get("output_format", "") in WAV
        said, direct = await _spoken(services, request, STREAMED | WAV)
        return Speech(direct, Plainly(is_wav=is_wav), _headers(request, said))

    @post(f"{path}/stream", guards=guards, status_code=200)
    async def elevenlabs_stream(request: AnyRequest) -> ASGIApp:
        """Speak a text as it is made, as ElevenLabs does"""
        said, direct = await _spoken(services, request, STREAMED)
        return Speech(direct, Plainly(is_wav=False), _headers(request, said))

    @post(f"{path}/with-timestamps", guards=guards, status_code=200)
    async def elevenlabs_timed(request: AnyRequest) -> Response[Any]:
        """Speak a text and tell the time of each character, as ElevenLabs does"""
        said, direct = await _spoken(services, request, STREAMED, is_timed=True)
        spoken = await whole(direct, request.receive)
        spelled = Spelling(said.text).whole(spoken.words, spoken.duration)
        headers = {**_headers(request, said), **told(spoken.warnings)}
        return Response(AlignedSpeech(spoken.audio, spelled, spelled), headers=headers)

    @post(f"{path}/stream/with-timestamps", guards=guards, status_code=200)
    async def elevenlabs_stream_timed(request: AnyRequest) -> ASGIApp:
        """Speak a text as it is made, with the time of each character, as ElevenLabs does

        Every line of the answer is some audio in base64 and the characters that are told with it.
        """
        said, direct = await _spoken(services, request, STREAMED, is_timed=True)
        return Speech(direct, Lines(said.text), _headers(request, said))

    return [
        elevenlabs_speak,
        elevenlabs_stream,
        elevenlabs_timed,
        elevenlabs_stream_timed,
        _scribe(services, admission),
    ]


def _scribe(services: Services, admission: Admission) -> HTTPRouteHandler:
    ear = in_dialect("elevenlabs_stt", native_wire("elevenlabs_stt", "stt"))

    @post(
        SCRIBE,
        guards=[admission.bounded(audio_bound)],
        status_code=200,
        request_max_body_size=None,
    )
    async def elevenlabs_listen(request: AnyRequest) -> Response[Any]:
        """Write down what is said, as ElevenLabs does"""
        fields, file = await form_of(request, "file")
        said, extra = Opening(fields).read(ScribeForm)
        named = "" if said.model_id in OF_FILES else said.model_id
        visit = arrival(services, request, structs.replace(ear, named=named))
        is_raw = said.file_format != "other"
        wishes = Wishes(encoding="linear16", sample_rate=16_000) if is_raw else Wishes()
        upload = Upload(wishes, from_file(file), usual="")
        options = read_scribe(said, extra)
        heard = await transcribe(services, visit, upload, options, request.receive)
        language = heard.language or options.language or visit.found.model.default_language
        answer = _heard(heard, said, language, visit.request_id)
        return Response(answer, headers={"request-id": visit.request_id, **told(heard.warnings)})

    return elevenlabs_listen


async def _spoken(
    services: Services, request: AnyRequest, known: dict[str, Format], *, is_timed: bool = False
) -> tuple[SpeechBody, Direct]:
    """What was asked for, and the session that says it."""
    body = await request.body()
    said: SpeechBody = _body(body)
    parts = {"voice": str(request.path_params["voice"])}
    wire = native_wire("elevenlabs", "tts")
    wanted = in_dialect("elevenlabs", wire, named=said.model_id or "", parts=parts)
    visit = arrival(services, request, wanted)
    opening = Opening(tuple(asking(request).query), parts, visit.request_id)
    options = options_with(
        structs.replace(options_in(opening, known), word_timestamps=is_timed),
        InputMsg(
            voice_settings=said.voice_settings,
            pronunciation_dictionary_locators=said.pronunciation_dictionary_locators,
        ),
    )
    options = structs.replace(
        options,
        language=said.language_code or options.language,
        extra=options.extra | _extra(body),
    )
    return said, await speak(services, visit, options, said.text)


def _extra(body: bytes) -> dict[str, Any]:
    given = json.decode(body).items()
    return {name: value for name, value in given if name not in READ and value is not None}


def _headers(request: AnyRequest, said: SpeechBody) -> dict[str, str]:
    return {"request-id": request_id_of(request.scope), "character-cost": str(len(said.text))}


def read_scribe(said: ScribeForm, extra: dict[str, Any]) -> ListenOptions:
    """How to listen. Raises ConfigError for what an answer cannot give."""
    for name in ("webhook", "use_multi_channel"):
        if getattr(said, name):
            raise ConfigError(f"{name}: the answer is of one channel, and comes here", param=name)
    language = said.language_code.lower() if said.language_code else None
    return ListenOptions(
        language=TWO_LETTERS.get(language, language) if language else None,
        word_timestamps=said.timestamps_granularity != "none",
        diarization=said.diarize,
        extra={name: value for name, value in extra.items() if value not in ("", "null")},
    )


def _heard(heard: Heard, said: ScribeForm, language: str, request_id: str) -> HeardSpeech:
    words = timed(heard.words, heard.confidence)
    return HeardSpeech(
        THREE_LETTERS.get(language.lower(), language),
        1.0,
        heard.text,
        tuple(_word(word, with_characters=said.timestamps_granularity[0] == "c") for word in words),
        request_id,
        round(heard.seconds, 3),
    )


def _word(word: TimedWord, *, with_characters: bool) -> HeardWord:
    return HeardWord(
        word.text or "",
        word.start,
        word.end,
        word.type or "word",
        word.logprob or 0.0,
        word.speaker_id or UNSET,
        _characters(word) if with_characters else UNSET,
    )


def _characters(word: TimedWord) -> tuple[HeardCharacter, ...]:
    """In step: nobody tells more of them than of their word."""
    text, start, end = word.text or "", word.start or 0.0, word.end or 0.0
    step = (end - start) / max(1, len(text))
    return tuple(
        HeardCharacter(c, round(start + i * step, 3), round(start + (i + 1) * step, 3))
        for i, c in enumerate(text)
    )
