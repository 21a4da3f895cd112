"""An upload written down: what every route does between reading a request and answering it."""

from __future__ import annotations

from litestar.types import Receive
from msgspec import structs

from ..audio.formats import INPUT_ENCODINGS, AudioFormat, checked_rate, encoding_named
from ..events import ListenOptions
from ..visit import Visit
from .hearing import Heard, Length, Session, Tell, first_piece, hear
from .services import Services
from .uploads import Upload, encoding_of


async def transcribe(
    services: Services,
    visit: Visit,
    upload: Upload,
    options: ListenOptions,
    receive: Receive,
    tell: Tell | None = None,
) -> Heard:
    """What is heard in an upload. What it is, and at which rate, is not in the options yet. Raises
    GatewayError, or GoneError."""
    start = await first_piece(upload.source)
    encoding = encoding_named(encoding_of(start, upload), INPUT_ENCODINGS, "encoding")
    wished, usual = upload.wishes.sample_rate, visit.found.model.default_rate
    rate = checked_rate(usual if wished is None else wished, "linear16", "sample_rate")
    # Nobody sees the partials, but they show the session that work goes on.
    options = structs.replace(options, encoding=encoding, sample_rate=rate, partials=True)
    length = Length(start, AudioFormat(encoding, rate), visit.account.tier.http_audio)
    direct = await services.converse(visit)
    session = Session(direct, options, length, start, upload.source)
    return await hear(session, receive, is_streamed=upload.is_streamed, tell=tell)
