"""An engine's hearing with turns: made of what it wrote and of the silence since."""

from __future__ import annotations

from msgspec import structs

from ..events import ListenOptions, Reply, Transcript, Turns
from ..text.turns import Follower
from .base import Ear, Hearing

BYTES_PER_SAMPLE = 2


class Following:
    """A hearing like others, that also tells of turns."""

    def __init__(self, hearing: Hearing, rate: int, asked: Turns, *, partials: bool) -> None:
        self._hearing = hearing
        self._rate = rate
        self._follower = Follower(asked)
        self._partials = partials
        self._heard = 0  # bytes

    def feed(self, pcm: bytes) -> list[Reply]:
        self._heard += len(pcm)
        replies = self._followed(self._hearing.feed(pcm))
        # What the engine has not looked at yet may be speech, but no more than half a second of it.
        return [*replies, *self._follower.silent(self._heard / BYTES_PER_SAMPLE / self._rate)]

    def finalize(self) -> list[Reply]:
        return self._followed(self._hearing.finalize())

    def adjust(self, asked: Turns) -> None:
        """Change when turns end."""
        self._follower.adjust(asked)

    def close(self) -> None:
        self._hearing.close()

    def _followed(self, replies: list[Reply]) -> list[Reply]:
        told: list[Reply] = []
        for reply in replies:
            if not isinstance(reply, Transcript):
                told.append(reply)
                continue
            told += [
                each
                for each in self._follower.hear(reply)
                if self._partials or not isinstance(each, Transcript) or each.final
            ]
        return told


def listen(ear: Ear, options: ListenOptions) -> Hearing:
    """Open one stream, with turns if they are wanted. Partials show that somebody goes on."""
    if options.turns is None:
        return ear.listen(options)
    hearing = ear.listen(structs.replace(options, partials=True))
    return Following(hearing, ear.sample_rate, options.turns, partials=options.partials)
