"""Rime's plain socket, frame by frame: words in, bytes out, and three commands."""

from __future__ import annotations

from voxway import events as e
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.rime_ws import WIRE, Client, Server

ADDRESS = Address("wss://users-ws.rime.ai", "coda", "KEY")


def server(**query: str) -> Server:
    return Server(Opening(tuple(query.items())))


def heard(it: Server, *frames: Frame) -> list[e.Event]:
    return [command for frame in frames for command in decode(it, frame)]


def said(it: Client, *commands: e.Event) -> list[Frame]:
    return [frame for command in commands for frame in it.encode(command)]


def test_text_and_commands() -> None:
    it = server(speaker="astra", audioFormat="mulaw", samplingRate="8000", lang="eng")
    options = e.SpeakOptions(voice="astra", language="en", encoding="mulaw", sample_rate=8_000)
    assert list(it.opening()) == [e.Start(options)], "times of words are told to nobody here"
    assert heard(
        it, "Take ", "2.5 ml <200> now. ", "<FLUSH>", "<CLEAR>", "<EOS>\n", '{"text":"x"}', ""
    ) == [
        e.Text("Take "),
        e.Text("2.5 ml <200> now. "),
        e.Flush(),
        e.Clear(),
        e.Finish(),
        e.Text('{"text":"x"}'),
        e.Text(""),
    ]


def test_at_once_every_text_is_an_utterance() -> None:
    assert heard(server(segment="immediate"), "One.", " ") == [
        *(e.Text("One."), e.Flush()),
        e.Text(" "),
    ]


def test_a_binary_frame_is_none_of_it() -> None:
    (bad,) = heard(server(), b"\0\0")
    assert isinstance(bad, e.Malformed)
    assert not bad.is_fatal


def test_only_audio_is_said() -> None:
    it = server(audioFormat="pcm")
    events: list[e.Event] = [
        e.Ready("s", "r", "m", "linear16", 24_000),
        e.Words((e.Word(text="Hi", start=0.0, end=0.2),)),
        e.Audio(b"\1\0"),
        e.Flushed(1.0),
        e.Failed("provider_error", "broken"),
        e.Ended("client_closed"),
    ]
    assert [frame for event in events for frame in it.encode(event)] == [b"\1\0"]
    assert it.closing(1000, "client_closed") == (1000, "")
    assert it.closing(1011, "provider_error") == (1011, "502: provider_error")


def test_wav_has_a_header_for_each_utterance() -> None:
    it = server()
    events = (e.Audio(b"\1\0"), e.Audio(b"\2\0"), e.Flushed(), e.Audio(b"\3\0"))
    frames = [frame for event in events for frame in it.encode(event)]
    assert [len(frame) for frame in frames] == [46, 2, 46]
    assert isinstance(frames[0], bytes)
    assert frames[0].startswith(b"RIFF")


def test_one_utterance_of_the_client() -> None:
    it = Client(e.SpeakOptions(), ADDRESS)
    assert said(it, e.Start(), e.Text("One."), e.Text(" <EOS>"), e.KeepAlive(), e.Text("Two.")) == [
        "One. ",
        "Two. ",
    ], "text cannot end it"
    assert said(it, e.Flush(), e.Finish()) == ["<EOS>"]
    assert [decode(it, frame) for frame in (b"\1\0", b"", "news")] == [[e.Audio(b"\1\0")], [], []]


def test_where_to_connect() -> None:
    endpoint = WIRE.endpoint(e.SpeakOptions(voice="astra", encoding="opus"), ADDRESS)
    assert endpoint.url == (
        "wss://users-ws.rime.ai/ws?speaker=astra&modelId=coda&audioFormat=ogg&samplingRate=24000"
    )
    assert endpoint.headers == {"Authorization": "Bearer KEY"}
