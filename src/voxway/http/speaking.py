"""`POST` for speech: on the bridge, which takes a text and a voice, and on the documented route."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct, json

from ..catalog import Model
from ..events import SpeakOptions
from ..visit import Visit
from ..wire.base import parser
from ..wire.unified_commands import reference
from ..wire.unified_messages import Pronunciation
from .admission import Admission, text_bound
from .forms import in_wav
from .services import Services, arrival
from .speech import InEvents, Plainly, Speech, speak

AnyRequest = Request[Any, Any, Any]

SpokenText = Annotated[str, Meta(min_length=1, description="What to say.")]


class BridgeSpeech(Struct, frozen=True, forbid_unknown_fields=True):
    """What the bridge takes; it answers with WAV in the model's own rate."""

    text: SpokenText
    voice: str | None = None
    pronunciation: Pronunciation | None = None


class PlainSpeech(Struct, frozen=True):
    """What the documented route takes. The voice has had several names; what the model does not
    know is told in the header `x-slng-warning`."""

    text: SpokenText
    model: str | None = None
    voice: str | None = None
    voice_id: str | None = None
    speaker: str | None = None
    reference_id: str | None = None
    language: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    container: str | None = None
    bit_rate: int | None = None
    speed: float | None = None
    pronunciation: Pronunciation | None = None

    def voice_for(self, visit: Visit) -> str | None:
        """The voice it names. `model` is one, too, unless it repeats the model of the route."""
        own = (visit.wanted.model, visit.found.model.id)
        model = None if self.model in own else self.model
        return self.voice or self.voice_id or self.speaker or self.reference_id or model


KNOWN = frozenset(PlainSpeech.__struct_fields__)
# The document's defaults, for a model that can give them.
ENCODING, SAMPLE_RATE = "mp3", 24_000

bridge_speech = parser(BridgeSpeech)
plain_speech = parser(PlainSpeech)


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """The two routes."""
    guard = admission.bounded(text_bound)

    @post("/v1/bridges/unmute/tts/{model:path}", guards=[guard], status_code=200)
    async def bridge_speak(request: AnyRequest) -> ASGIApp:
        """Speak a text

        The answer is WAV, and leaves sentence by sentence as it is made."""
        visit = arrival(services, request)
        said: BridgeSpeech = bridge_speech(await request.body())
        options = SpeakOptions(
            voice=said.voice,
            encoding="linear16",
            pronunciation=reference(said.pronunciation, "pronunciation"),
        )
        return Speech(await speak(services, visit, options, said.text), Plainly())

    @post("/v1/tts/{model:path}", guards=[guard], status_code=200)
    async def speak_plainly(request: AnyRequest) -> ASGIApp:
        """Speak a text in a chosen format

        With `Accept: text/event-stream` the audio comes in events, in base64."""
        visit = arrival(services, request)
        body = await request.body()
        said: PlainSpeech = plain_speech(body)
        options = _options(said, visit, body)
        as_events = "text/event-stream" in request.headers.get("accept", "")
        manner = InEvents() if as_events else Plainly(is_wav=in_wav(said.container))
        return Speech(await speak(services, visit, options, said.text), manner)

    return [bridge_speak, speak_plainly]


def _options(said: PlainSpeech, visit: Visit, body: bytes) -> SpeakOptions:
    """How to speak. What the body says beyond our own names is left to the session to judge."""
    extra = {key: value for key, value in json.decode(body).items() if key not in KNOWN}
    extra |= {} if said.bit_rate is None else {"bit_rate": said.bit_rate}
    model = visit.found.model
    return SpeakOptions(
        voice=said.voice_for(visit),
        language=said.language,
        encoding=said.encoding or _default_encoding(model),
        sample_rate=_default_rate(model) if said.sample_rate is None else said.sample_rate,
        speed=said.speed,
        pronunciation=reference(said.pronunciation, "pronunciation"),
        extra=extra,
    )


def _default_encoding(model: Model) -> str:
    return ENCODING if ENCODING in model.encodings else model.default_encoding


def _default_rate(model: Model) -> int:
    fits = SAMPLE_RATE in model.rates if model.rates else True
    return SAMPLE_RATE if fits else model.default_rate
