"""Audio that comes in the body of a request: as a form, as JSON or as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from msgspec import Struct

from ..audio.formats import ALIASES, INPUT_ENCODINGS
from ..audio.sniff import container, is_text
from ..audio.wav import wav_header
from ..errors import ProtocolError, TooLargeError
from ..wire.base import invalid, parser

AnyRequest = Request[Any, Any, Any]

PIECE = 32 * 1024  # bytes, whole samples of every raw encoding
# A JSON body is held in memory twice; a form or a plain body is not.
MAX_JSON = 32 * 1024 * 1024  # bytes

MP4, MP4_RATE = b"ftyp", 16_000  # Hz: what recognizers want
CONTAINERS = ("wav", "mp3", "aac", "flac", "ogg", "webm")
MEDIA_TYPES: dict[str, str] = {
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/webm": "webm",
    "video/webm": "webm",
    "audio/pcm": "linear16",
    "audio/l16": "linear16",
    "audio/basic": "mulaw",
    "audio/pcmu": "mulaw",
    "audio/pcma": "alaw",
}


class Wishes(Struct, frozen=True):
    """How to listen. In a form and in the query every value is a string."""

    language: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    enable_vad: bool = False
    enable_partials: bool = False
    diarize: bool = False
    punctuate: bool | None = None
    smart_format: bool | None = None
    keywords: str | list[str] | None = None


class JsonUpload(Wishes, frozen=True, kw_only=True):
    """The same with the audio in base64."""

    audio: bytes


class Upload(Struct, frozen=True):
    """The audio in pieces, and what is known of it. `usual` is what it is taken for if nothing
    tells; `is_streamed`: the body is still coming."""

    wishes: Wishes
    source: AsyncIterator[bytes]
    media_type: str = ""
    usual: str = "linear16"
    is_streamed: bool = False


class Link(Struct, frozen=True):
    """Where somebody else's audio is said to be."""

    url: Any = None


_json_upload = parser(JsonUpload)
_link = parser(Link)


async def upload_of(request: AnyRequest) -> Upload:
    """What a request brings. Raises ProtocolError that says what would have been right."""
    media_type, parameters = request.content_type
    if media_type == "multipart/form-data":
        return await _from_form(request)
    if media_type == "application/json":
        return await _from_json(request)
    if media_type.startswith("audio/") or media_type in MEDIA_TYPES:
        return _from_body(request, media_type, parameters.get("rate"))
    raise ProtocolError(
        f"Content-Type {media_type[:60]!r} is not multipart/form-data, application/json or audio/*",
        param="Content-Type",
    )


# Under these names audio is somewhere else.
URLS = ("url", "source_url", "cloud_storage_url")


def no_url(name: str = "url") -> ProtocolError:
    return ProtocolError(
        f"{name}: this gateway calls nobody on a client's word; send the audio itself", param=name
    )


Fields = tuple[tuple[str, str], ...]


async def form_of(request: AnyRequest, name: str) -> tuple[Fields, UploadFile]:
    """The fields of a form, each as often as it comes, and the file called `name`. Raises
    ProtocolError."""
    try:
        form = await request.form()
    except (UnicodeDecodeError, LookupError):
        raise ProtocolError("a part of the form is no text, and has no filename") from None
    files = form.getall(name, [])
    if len(files) != 1 or not isinstance(files[0], UploadFile):
        url = next((url for url in URLS if url in form), None)
        raise (
            no_url(url)
            if url
            else ProtocolError(f"{name}: one part with a filename is needed", param=name)
        )
    texts = [(field, value) for field, value in form.multi_items() if field != name]
    for field, value in texts:
        if not isinstance(value, str):
            raise ProtocolError(f"{field}: a file is not expected", param=field)
        if field in URLS:
            raise no_url(field)
    return tuple(texts), files[0]


async def _from_form(request: AnyRequest) -> Upload:
    texts, file = await form_of(request, "audio")
    fields: dict[str, list[str]] = {}
    for name, value in texts:
        fields.setdefault(name, []).append(value)
    wishes = wishes_of({name: v if len(v) > 1 else v[0] for name, v in fields.items()})
    return Upload(wishes, from_file(file), file.content_type)


async def _from_json(request: AnyRequest) -> Upload:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise TooLargeError(
                f"JSON of more than {MAX_JSON} bytes: send the audio as a form, or as it is"
            )
    if _link(bytes(body)).url is not None:
        raise no_url()
    said: JsonUpload = _json_upload(bytes(body))
    return Upload(said, _from_bytes(said.audio))


def _from_body(request: AnyRequest, media_type: str, rate: str | None) -> Upload:
    if "url" in request.query_params:
        raise no_url()
    query = {name: value for name, value in request.query_params.items() if name in _QUERY}
    if rate is not None:
        query.setdefault("sample_rate", rate)
    return Upload(wishes_of(query), from_stream(request), media_type, is_streamed=True)


# What the query may say beside what it says of the request itself.
_QUERY = frozenset(Wishes.__struct_fields__)


def wishes_of(fields: dict[str, Any]) -> Wishes:
    """From the strings of a form or a query. Raises ProtocolError."""
    known = {name: value for name, value in fields.items() if name in _QUERY and value != ""}
    try:
        return msgspec.convert(known, Wishes, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def encoding_of(start: bytes, upload: Upload) -> str:
    """What the audio is: by its first bytes, what the client says, and the media type. Raises
    ProtocolError if nobody knows."""
    wished = (upload.wishes.encoding or "").strip().lower()
    wished = ALIASES.get(wished, wished)
    seen = container(start)
    # Two bytes of raw audio may well look like MPEG's, and Opus comes in Ogg.
    if seen and wished in INPUT_ENCODINGS and (start[:1] == b"\xff" or (wished, seen) == _OPUS):
        seen = None
    if found := seen or wished or MEDIA_TYPES.get(upload.media_type):
        return found
    if upload.usual and not is_text(start):
        return upload.usual
    known = ", ".join(CONTAINERS)
    raise ProtocolError(f"the audio is none of {known}, by its first bytes", param="audio")


_OPUS = ("opus", "ogg")


async def _from_bytes(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]


async def from_file(file: UploadFile) -> AsyncIterator[bytes]:
    """A file of a form in pieces. MP4 has its index anywhere, so it is no stream: it is decoded
    here, and goes on as WAV."""
    piece = await file.read(PIECE)
    if piece[4:8] == MP4:
        await file.seek(0)
        yield wav_header(MP4_RATE)
        samples = await asyncio.to_thread(_samples, file.file)
        while piece := await asyncio.to_thread(next, samples, b""):
            yield piece
        return
    while piece:
        yield piece
        piece = await file.read(PIECE)


def _samples(file: SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    from ..audio.files import read_audio  # with libav, which is not needed for much else

    return read_audio(file, MP4_RATE)


async def from_stream(request: AnyRequest) -> AsyncIterator[bytes]:
    """A body in pieces, as it comes."""
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)
