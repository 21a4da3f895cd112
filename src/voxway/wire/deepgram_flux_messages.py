"""The messages of Deepgram's second generation (Flux), both sockets.

From deepgram-sdk 7.17: what is mandatory there has no default here. Of what we read nothing is
needed but the type.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from ..events import Turns
from .deepgram_messages import (
    CloseMsg,
    CloseStreamMsg,
    FlushMsg,
    Head,
    Message,
    SpeakMsg,
)

__all__ = ["CloseMsg", "CloseStreamMsg", "FlushMsg", "Head", "SpeakMsg"]

# Recognition


class Thresholds(Struct, frozen=True, omit_defaults=True):
    """Seconds are milliseconds here."""

    eager_eot_threshold: float | None = None
    eot_threshold: float | None = None
    eot_timeout_ms: float | None = None

    @classmethod
    def of(cls, turns: Turns | None) -> Thresholds:
        given = turns or Turns()
        ms = None if given.timeout is None else round(given.timeout * 1000)
        return cls(given.eager_threshold, given.threshold, ms)

    def turns(self) -> Turns:
        ms = self.eot_timeout_ms
        return Turns(
            threshold=self.eot_threshold,
            eager_threshold=self.eager_eot_threshold,
            timeout=None if ms is None else ms / 1000,
        )


class ListenConfigureMsg(Message, tag="Configure", frozen=True):
    thresholds: Thresholds = Thresholds()
    keyterms: str | tuple[str, ...] | None = None
    language_hints: tuple[str, ...] | None = None
    numerals: bool | None = None


class ForceEndTurnMsg(Message, tag="ForceEndTurn", frozen=True):
    pass


ListenCommand = CloseStreamMsg | ListenConfigureMsg | ForceEndTurnMsg


class ListenConnectedMsg(Message, tag="Connected", frozen=True):
    request_id: str
    sequence_id: int


class HeardWord(Struct, frozen=True, omit_defaults=True):
    """As it is written. Times are told by models that know them."""

    word: str = ""
    confidence: float | None = None
    start: float | None = None
    end: float | None = None


class SaidWord(Struct, frozen=True, omit_defaults=True):
    word: str
    confidence: float
    start: float | None = None
    end: float | None = None


class TurnInfoMsg(Message, tag="TurnInfo", frozen=True):
    request_id: str
    sequence_id: int
    event: str
    turn_index: int
    audio_window_start: float
    audio_window_end: float
    transcript: str
    words: tuple[SaidWord, ...]
    end_of_turn_confidence: float
    trigger: str | UnsetType = UNSET
    languages: tuple[str, ...] | UnsetType = UNSET


class ListenConfiguredMsg(Message, tag="ConfigureSuccess", frozen=True):
    request_id: str
    sequence_id: int
    thresholds: Thresholds
    keyterms: tuple[str, ...]


class ListenUnconfiguredMsg(Message, tag="ConfigureFailure", frozen=True):
    request_id: str
    sequence_id: int
    code: str
    description: str


class ListenWarningMsg(Message, tag="Warning", frozen=True):
    request_id: str
    sequence_id: int
    code: str
    description: str


class ListenErrorMsg(Message, tag="Error", frozen=True):
    sequence_id: int
    code: str
    description: str


class ListenReply(Struct, frozen=True):
    """Any answer to recognition."""

    type: str = ""
    event: str = ""
    audio_window_start: float = 0.0
    audio_window_end: float = 0.0
    transcript: str = ""
    words: tuple[HeardWord, ...] = ()
    end_of_turn_confidence: float | None = None
    trigger: str | None = None
    languages: tuple[str, ...] | None = None
    code: str | None = None
    description: str | None = None
