"""What each provider allows and needs, so that no client meets its limits: one table.

Every row is held against the `Server` of the same wire in the tests. Times are seconds.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Policy(Struct, frozen=True, kw_only=True):
    """How to treat one provider's sockets. A zero means: no such limit.

    `says_ready`: it tells when it is ready; else an open socket is.
    `clear`: it has a message for an abort and answers it (`acked`); it has one and the codec drops
    what still comes (`filtered`); it has none, and its socket is closed (`reopen`).
    `is_serial`: the next utterance waits until the last audio of the one before.
    `per_utterance`: a socket speaks one utterance; the end of its input is the flush.
    `configures`: voice and speed can change on an open socket.
    `finalizes`: it has a message for that, or only silence makes it write down the rest.
    `ends_itself`: it answers the end of the input with its rest and a close.
    """

    says_ready: bool = False
    clear: Literal["acked", "filtered", "reopen"] = "reopen"
    is_serial: bool = False
    per_utterance: bool = False
    configures: bool = False
    ends_itself: bool = True
    keepalive: Literal["message", "silence", ""] = ""
    keepalive_after: float = 0.0  # of saying nothing
    needs_audio: bool = False  # keepalives count only once it has heard something
    idle: float = 0.0  # it closes after so long; we do before, and come back
    life: float = 0.0  # of a socket
    flushes_per_minute: int = 0
    characters_per_minute: int = 0
    text_characters: int = 0  # of one message
    contexts: int = 1  # on one socket
    lingers: float = 0.0  # a context that was aborted counts until its end, or at most so long
    sockets: int = 0  # at a time, with one key
    finalizes: Literal["message", "silence"] = "message"
    finalize: float = 0.0  # after so long a finalize has no answer: it is answered with nothing
    audio_bytes: int = 0  # of one message


OPEN = Policy()
POLICIES: dict[str, Policy] = {
    "unified": Policy(says_ready=True, clear="acked", configures=True),
    "deepgram_speak": Policy(
        says_ready=True,
        clear="acked",
        life=55 * 60,  # 60 min at the provider
        idle=9 * 60,
        flushes_per_minute=20,
        characters_per_minute=2400,
        text_characters=2000,
        sockets=5,
    ),
    "deepgram_listen": Policy(
        keepalive="message", keepalive_after=4.0, needs_audio=True, finalize=5.0, sockets=50
    ),
    # A turn is told by its end alone, and only one can be interrupted: the next waits for it.
    "deepgram_flux_speak": Policy(
        says_ready=True,
        clear="acked",
        is_serial=True,
        life=55 * 60,  # 60 min at the provider
        idle=9 * 60,
        text_characters=2000,
    ),
    "deepgram_flux_listen": Policy(
        says_ready=True, keepalive="silence", keepalive_after=4.0, finalize=5.0, sockets=50
    ),
    # One utterance a socket: it ends with an empty text, and nothing less is answered.
    "elevenlabs": Policy(
        per_utterance=True, is_serial=True, keepalive="message", keepalive_after=10.0
    ),
    "elevenlabs_multi": Policy(
        clear="filtered",
        is_serial=True,
        keepalive="message",
        keepalive_after=10.0,
        contexts=5,
        lingers=5.0,
        life=55 * 60,
    ),
    "elevenlabs_stt": Policy(
        says_ready=True,
        ends_itself=False,
        keepalive="message",
        keepalive_after=8.0,
        finalize=5.0,
    ),
    "cartesia_tts": Policy(
        clear="filtered", is_serial=True, configures=True, contexts=10, idle=4 * 60
    ),
    "cartesia_stt": Policy(idle=4 * 60, finalize=5.0),
    "cartesia_turns": Policy(
        says_ready=True,
        finalizes="silence",
        finalize=5.0,
        keepalive="silence",
        keepalive_after=60.0,
        idle=4 * 60,
    ),
    "telnyx_stt": Policy(keepalive="message", keepalive_after=4.0, finalize=5.0, audio_bytes=8192),
    "telnyx_tts": Policy(
        per_utterance=True, is_serial=True, keepalive="message", keepalive_after=10.0
    ),
    # `clear` stops nothing that is being made. What is sent has a space after it.
    "rime_ws3": Policy(is_serial=True, idle=4 * 60, text_characters=999),
    "rime_http": Policy(configures=True, text_characters=1000),
    "rime_v1": Policy(
        says_ready=True, clear="filtered", is_serial=True, configures=True, contexts=10, idle=4 * 60
    ),
    "rime_ws": Policy(per_utterance=True, is_serial=True, text_characters=999),
    "kyutai_stt": Policy(
        says_ready=True,
        ends_itself=False,
        keepalive="silence",
        keepalive_after=60.0,  # it closes after 120 s without any audio
        finalize=6.0,
    ),
    "kyutai_tts": Policy(says_ready=True, per_utterance=True, is_serial=True),
    "orpheus": Policy(per_utterance=True, is_serial=True),
    # Every sentence is a request of its own: a change of voice needs no new socket.
    "openai_speech": Policy(configures=True, text_characters=4096),
    "openai_transcriptions": Policy(ends_itself=False),
    "openai_realtime": Policy(says_ready=True, ends_itself=False, finalize=5.0),
}
