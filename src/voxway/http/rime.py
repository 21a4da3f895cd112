"""Rime's HTTP endpoint: a text to speech, in the format that `Accept` names.

From docs.rime.ai (2026), livekit-plugins-rime 1.8.9 and pipecat 1.14: what they send and read.
Errors are ours: these clients read the status alone.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, json, structs

from ..errors import ConfigError
from ..routes import in_dialect, native_wire
from ..wire.base import parser
from ..wire.rime import Asked, Query, asked
from .admission import Admission, text_bound
from .described import ANY_BODY, Operation
from .services import Services, arrival
from .speech import Plainly, Speech, speak

AnyRequest = Request[Any, Any, Any]

SPEECH = "/v1/rime-tts"
WIRE = "rime_ws3"  # by whose rules a model is found

# What `Accept` names -> the name in a URL of its sockets.
FORMATS = {
    "audio/pcm": "pcm",
    "audio/wav": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
    "audio/x-mulaw": "mulaw",
    "audio/pcmu": "mulaw",
    "audio/ogg": "ogg",
}
ANY = ("*/*", "audio/*")


class RimeBody(Query, frozen=True, kw_only=True):
    """What to say and how. Fields that the model does not know are told in `x-slng-warning`."""

    text: Annotated[str, Meta(min_length=1, description="What to say.")]
    audioFormat: Annotated[str, Meta(description="Where `Accept` names no format.")] = "mp3"


OPERATIONS = {
    SPEECH: Operation(
        {"application/json": RimeBody},
        dict.fromkeys(
            ("audio/mpeg", "audio/wav", "audio/pcm", "audio/pcmu", "audio/ogg"), ANY_BODY
        ),
    ),
}

_body = parser(RimeBody)


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """All routes."""

    @post(SPEECH, guards=[admission.bounded(text_bound)], status_code=200)
    async def rime_speak(request: AnyRequest) -> ASGIApp:
        """Speak a text, as Rime does"""
        body = await request.body()
        said: RimeBody = _body(body)
        voice = in_dialect(WIRE, native_wire(WIRE, "tts"), named=said.modelId)
        visit = arrival(services, request, voice)
        wanted = read_speech(said, body, request.headers.get("accept", ""))
        direct = await speak(services, visit, wanted.options, said.text)
        return Speech(direct, Plainly(is_wav=wanted.is_wav))

    return [rime_speak]


def read_speech(said: RimeBody, body: bytes, accept: str) -> Asked:
    """How to speak. Raises ConfigError for a format that is not made here."""
    known = RimeBody.__struct_fields__
    extra = {name: value for name, value in json.decode(body).items() if name not in known}
    wanted = structs.replace(said, audioFormat=_format(accept) or said.audioFormat)
    return asked(wanted, {n: v for n, v in extra.items() if v is not None}, is_timed=False)


def _format(accept: str) -> str:
    """The first that is made here; nothing, if any will do."""
    wanted = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    if found := next((FORMATS[each] for each in wanted if each in FORMATS), ""):
        return found
    if accept.strip() and not any(each in ANY for each in wanted):
        text = f"Accept {accept[:60]!r} is none of {', '.join(FORMATS)}"
        raise ConfigError(text, param="Accept")
    return ""
