"""Recorded exchanges of real clients, and how they are played against a gateway.

A recording is a file of JSON lines. The first says who spoke to which path with which headers; then
each line is what one side sent:

* `{"from":"client","frame":{…}}` one message; `{"from":"client","speech":"jfk.wav","by":2048}`
  a recording of `tests/data` in binary frames of so many bytes; `"silence":1.5` seconds of it
* `{"from":"gateway","frame":{…}}` a message with at least these fields, "*" for any value;
  `"audio":"binary"` (or `"audio_chunk"`) speech, one or more of these, with `"first":true` only
  the first of them; `"close":1000`

Messages in `BETWEEN` may come anywhere: no client minds them. Any other message is an error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from conftest import Gateway, Talk, audio
from speech import clip

RECORDINGS = Path(__file__).parent / "replays"
RATE = 16_000  # of the speech that clients send
BETWEEN = {
    "warning",
    "segment_start",
    "segment_end",
    "words",
    "speech_started",
    "utterance_end",
    "partial_transcript",
    "session_ended",
}


class Recording:
    """One file."""

    def __init__(self, name: str) -> None:
        lines = (RECORDINGS / f"{name}.jsonl").read_text().splitlines()
        self.opening, *self.lines = map(json.loads, lines)

    def open(self, gateway: Gateway) -> Talk:
        """The handshake as it was, with a key that this gateway knows."""
        headers = {n: v.format(key=gateway.key) for n, v in self.opening["headers"].items()}
        return gateway.open(self.opening["path"], headers=headers)

    def play(self, talk: Talk) -> Heard:
        """Say the client's part and check the gateway's."""
        heard = Heard(talk)
        for line in self.lines:
            if line["from"] == "gateway":
                heard.expect(line)
            elif "speech" in line:
                pcm, _ = clip(line["speech"])
                for at in range(0, len(pcm), line["by"]):
                    talk.send(pcm[at : at + line["by"]])
            elif "silence" in line:
                for _ in range(round(line["silence"] / 0.064)):
                    talk.send(bytes(2048))
            else:
                talk.say(**line["frame"])
        return heard


class Heard:
    """What came from the gateway, and whether it is what the recording says."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._ahead: dict[str, Any] | None = None
        self.messages: list[dict[str, Any]] = []

    @property
    def audio(self) -> bytes:
        """All speech that came."""
        return speech(self.messages)

    @property
    def finals(self) -> str:
        """All that was recognized."""
        finals = [m["transcript"] for m in self.messages if m["type"] == "final_transcript"]
        return " ".join(filter(None, finals))

    def expect(self, line: dict[str, Any]) -> None:
        if "close" in line:
            self._expect_close(line["close"])
        elif "audio" in line:
            self._expect_audio(line["audio"], only_first=line.get("first", False))
        else:
            wanted = line["frame"]
            message = self._next(aborted=wanted["type"] == "cleared")
            assert message.keys() >= wanted.keys(), (message, wanted)
            assert wanted == {k: "*" if v == "*" else message[k] for k, v in wanted.items()}

    def _expect_audio(self, type: str, only_first: bool) -> None:
        message = self._next()
        assert message["type"] == type, message
        while not only_first and message["type"] == type:
            message = self._next()
        self._ahead = None if only_first else message

    def _expect_close(self, code: int) -> None:
        try:
            message = self._next()
        except ConnectionClosed:
            assert self._talk.socket.close_code == code
        else:
            raise AssertionError(f"{message} instead of a close")

    def _next(self, aborted: bool = False) -> dict[str, Any]:
        """The next message that counts. Audio under way when it was aborted does not."""
        message, self._ahead = self._ahead, None
        while message is None:
            message = self._talk.hear()
            self.messages.append(message)
            if message["type"] in BETWEEN or (aborted and message["type"] == "binary"):
                message = None
        return message


def speech(messages: list[dict[str, Any]]) -> bytes:
    """The speech in messages, of either transport."""
    return audio(messages) + b"".join(m["data"] for m in messages if m["type"] == "binary")
