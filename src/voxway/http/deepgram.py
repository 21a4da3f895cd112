"""Deepgram's HTTP endpoints: `POST /v1/speak` and `POST /v1/listen`.

The query is the configuration, as on its sockets. The facts are those of deepgram-sdk 7.17.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from ..errors import ConfigError, ProtocolError, TooLargeError
from ..events import ListenOptions, SpeakOptions, Transcript
from ..routes import in_dialect, native_wire
from ..visit import Visit
from ..wire import deepgram as dg
from ..wire.base import Opening, parser
from ..wire.deepgram_query import RATES, ListenExtra, ListenQuery, read_listen
from ..wire.deepgram_results import Alternative, ModelInfo, Report, Timed
from .admission import Admission, audio_bound, text_bound
from .described import ANY_BODY, Operation, in_query
from .errors import Refuse
from .hearing import Heard
from .services import Services, arrival, asking
from .speech import Plainly, Speech, speak
from .telling import plain, told
from .transcribing import transcribe
from .uploads import Link, Upload, Wishes, from_stream, no_url

AnyRequest = Request[Any, Any, Any]

SPEAK, LISTEN = "/v1/speak", "/v1/listen"
REFUSALS: dict[str, Refuse] = {SPEAK: dg.refusal, LISTEN: dg.refusal}
MAX_TEXT = 2000  # characters

# For each encoding its containers, the usual one first. What is compressed has one of its own.
RAW = ("wav", "none")
CONTAINERS = {"linear16": RAW, "mulaw": RAW, "alaw": RAW, "opus": ("ogg",)}
CONTAINERS |= dict.fromkeys(("mp3", "flac", "aac"), ("none",))
USUAL_RATES = {"mp3": 22_050, "opus": 48_000, "flac": 22_050, "aac": 22_050}  # Hz


class SpeakQuery(Struct, frozen=True):
    """How to speak."""

    model: str = ""
    encoding: Literal["linear16", "mulaw", "alaw", "mp3", "opus", "flac", "aac"] = "mp3"
    container: Literal["wav", "ogg", "none"] | None = None
    sample_rate: int | None = None
    bit_rate: int | None = None
    speed: Annotated[float, Meta(ge=0.7, le=1.5)] | None = None


class SpeakBody(Struct, frozen=True):
    text: Annotated[str, Meta(min_length=1, description="What to say.")]


class HearQuery(Struct, frozen=True):
    """What the query says beyond that of the socket."""

    utterances: bool = False
    detect_language: bool = False


class Utterance(Struct, frozen=True):
    """What was said between two pauses."""

    start: float
    end: float
    confidence: float
    channel: int
    transcript: str
    words: tuple[Timed, ...]
    id: str
    speaker: int | UnsetType = UNSET


class HeardChannel(Struct, frozen=True):
    alternatives: tuple[Alternative, ...]
    detected_language: str | UnsetType = UNSET


class HeardResults(Struct, frozen=True):
    channels: tuple[HeardChannel, ...]
    utterances: tuple[Utterance, ...] | UnsetType = UNSET


class HeardMetadata(Struct, frozen=True):
    transaction_key: str
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: tuple[str, ...]
    model_info: dict[str, ModelInfo]


class HeardAnswer(Struct, frozen=True):
    metadata: HeardMetadata
    results: HeardResults


OPERATIONS = {
    SPEAK: Operation(
        {"application/json": SpeakBody},
        dict.fromkeys(("audio/mpeg", "audio/wav", "audio/ogg"), ANY_BODY)
        | dict.fromkeys(("audio/pcm", "audio/pcmu", "audio/pcma"), ANY_BODY),
        in_query(SpeakQuery),
        dg.RefusalMsg,
    ),
    LISTEN: Operation(
        {"audio/*": ANY_BODY},
        {"application/json": HeardAnswer},
        (*in_query(ListenQuery), *in_query(ListenExtra), *in_query(HearQuery)),
        dg.RefusalMsg,
    ),
}

_body = parser(SpeakBody)
_link = parser(Link)


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """The two routes."""
    voice = in_dialect("deepgram_speak", native_wire("deepgram_speak", "tts"))
    ear = in_dialect("deepgram_listen", native_wire("deepgram_listen", "stt"))

    @post(SPEAK, guards=[admission.bounded(text_bound)], status_code=200)
    async def deepgram_speak(request: AnyRequest) -> ASGIApp:
        """Speak a text, as Deepgram does"""
        visit = arrival(services, request, voice)
        opening = _opening(request, visit)
        options, is_wav = read_speak(opening)
        said: SpeakBody = _body(await request.body())
        if len(said.text) > MAX_TEXT:
            raise TooLargeError(f"text of {len(said.text)} characters is over {MAX_TEXT}")
        direct = await speak(services, visit, options, said.text)
        return Speech(direct, Plainly(is_wav=is_wav), _headers(opening, len(said.text)))

    @post(LISTEN, guards=[admission.bounded(audio_bound)], status_code=200)
    async def deepgram_listen(request: AnyRequest) -> Response[Any]:
        """Write down what is said, as Deepgram does

        The audio is the body: a file as it is, or raw samples whose `encoding` and `sample_rate`
        the query tells."""
        if request.content_type[0] == "application/json":
            raise _no_audio(await request.body())
        visit = arrival(services, request, ear)
        opening = _opening(request, visit)
        options, wanted = read_hear(opening)
        report = Report(options, _name(opening), visit.request_id)
        wishes = Wishes(encoding=options.encoding, sample_rate=options.sample_rate)
        source = _reported(from_stream(request), report)
        upload = Upload(wishes, source, request.content_type[0], usual="", is_streamed=True)
        heard = await transcribe(services, visit, upload, options, request.receive)
        answer = _answer(opening, heard, report, wanted)
        return Response(
            answer, headers={**dg.request_headers(visit.request_id), **told(heard.warnings)}
        )

    return [deepgram_speak, deepgram_listen]


def _opening(request: AnyRequest, visit: Visit) -> Opening:
    created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    query = tuple(asking(request).query)
    if any(name == "callback" for name, _ in query):
        raise ConfigError("callback: the answer comes with this request alone", param="callback")
    return Opening(query, {}, visit.request_id, visit.found.asked, created)


def _name(opening: Opening) -> str:
    """The name by which the client knows the model."""
    return dict(opening.query).get("model") or opening.model


def read_speak(opening: Opening) -> tuple[SpeakOptions, bool]:
    """How to speak, and whether raw audio gets a header. Raises ProtocolError that names the
    parameter."""
    query, extra = opening.read(SpeakQuery)
    containers = CONTAINERS[query.encoding]
    container = query.container or containers[0]
    if container not in containers:
        text = f"container {container} is not one of {', '.join(containers)} of {query.encoding}"
        raise ConfigError(text, param="container")
    rates = RATES.get(query.encoding, ())
    rate = query.sample_rate or (rates[0] if rates else USUAL_RATES[query.encoding])
    if rates and rate not in rates:
        text = f"sample_rate {rate} is not one of {sorted(rates)} Hz of {query.encoding}"
        raise ConfigError(text, param="sample_rate")
    options = SpeakOptions(
        # As on the socket: the voice is the model.
        voice=query.model if query.model.startswith("aura") else None,
        encoding=query.encoding,
        sample_rate=rate,
        speed=query.speed,
        extra=extra | ({"bit_rate": query.bit_rate} if query.bit_rate else {}),
    )
    return options, container == "wav"


def _headers(opening: Opening, count: int) -> dict[str, str]:
    name = _name(opening)
    return {
        **dg.request_headers(opening.request_id),
        "dg-model-name": plain(name),
        "dg-model-uuid": dg.model_uuid(name),
        "dg-char-count": str(count),
    }


def read_hear(opening: Opening) -> tuple[ListenOptions, HearQuery]:
    """How to listen, and what to tell besides. Raises ProtocolError that names the parameter."""
    options, _ = read_listen(opening)
    wanted, _ = opening.read(HearQuery)
    own = HearQuery.__struct_fields__
    extra = {name: value for name, value in options.extra.items() if name not in own}
    return structs.replace(options, extra=extra), wanted


def _no_audio(body: bytes) -> ProtocolError:
    if _link(body).url is not None:
        return no_url()
    return ProtocolError("the body is to be the audio itself", param="Content-Type")


async def _reported(source: AsyncIterator[bytes], report: Report) -> AsyncIterator[bytes]:
    async for piece in source:
        report.hear(piece)
        yield piece


def _answer(opening: Opening, heard: Heard, report: Report, wanted: HearQuery) -> HeardAnswer:
    finals = [_utterance(final, report) for final in heard.finals if final.text]
    sure = float(bool(finals)) if heard.confidence is None else heard.confidence
    words = tuple(word for final in finals for word in final.words)
    alternative = Alternative(heard.text, sure, words)
    language = heard.language if wanted.detect_language and heard.language else UNSET
    utterances = tuple(finals) if wanted.utterances else UNSET
    return HeardAnswer(
        _metadata(opening, heard, report),
        HeardResults((HeardChannel((alternative,), language),), utterances),
    )


def _metadata(opening: Opening, heard: Heard, report: Report) -> HeardMetadata:
    summary, name = report.summary(opening.created), _name(opening)
    uuid = dg.model_uuid(name)
    return HeardMetadata(
        summary.transaction_key,
        summary.request_id,
        summary.sha256,
        summary.created,
        round(heard.seconds, 3),
        1,
        (uuid,),
        {uuid: ModelInfo(name, dg.MODEL_VERSION, name)},
    )


def _utterance(final: Transcript, report: Report) -> Utterance:
    results = report.results(final)
    [said] = results.channel.alternatives
    speaker = next((word.speaker for word in said.words if word.speaker is not None), UNSET)
    return Utterance(
        results.start,
        round(results.start + results.duration, 3),
        said.confidence or 0.0,
        0,
        said.transcript,
        said.words,
        secrets.token_hex(16),
        speaker,
    )
