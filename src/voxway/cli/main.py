"""The command line: `voxway serve`, `keys`, `usage`, `certs`, `say`, `transcribe`, `listen`,
`doctor`, `models`, `demo`, `engine`.

Each command is a file of its own, imported when it is called, so that `--help` stays quick.
"""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from .. import __version__
from ..errors import GatewayError
from . import keys

# `exits.py` gives them; said here because importing that would make --help slow.
EXIT_CODES = (
    "Exit codes: 0 done; 2 wrong use or configuration; 3 no gateway there; 4 refused (key or "
    "limits); 5 the session failed; 130 interrupted."
)

app = typer.Typer(
    name="voxway",
    help="One WebSocket to every voice and every recognizer.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


app.add_typer(keys.app, name="keys")


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """One WebSocket to every voice and every recognizer."""
    if show:
        typer.echo(f"voxway {__version__}")
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port for HTTP and WebSockets.")] = 8080,
    tls_cert: Annotated[str, typer.Option(help="Certificate chain (PEM); with --tls-key.")] = "",
    tls_key: Annotated[str, typer.Option(help="Private key (PEM); with --tls-cert.")] = "",
    wyoming: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="Port for Wyoming clients, as Home Assistant [env VOXWAY_WYOMING_PORT]. Beyond "
            "loopback VOXWAY_WYOMING_KEY has to say by whose key.",
        ),
    ] = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Answer models without a backend by the local ones.")
    ] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="From what on it logs.")
    ] = "info",
    until_stdin_closes: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Start the gateway.

    Without any keys it listens on loopback only and makes one, which it prints once.
    Example: VOXWAY_API_KEYS="mykey:enterprise" voxway serve --host 0.0.0.0 --port 8080
    """
    from . import serve as command

    command.run(
        command.Listen(host, port, tls_cert or None, tls_key or None, wyoming, until_stdin_closes),
        dev=dev,
        level=log_level,
    )


@app.command()
def certs(
    directory: Annotated[
        str, typer.Option("--dir", help="Where to keep them [else VOXWAY_DATA_DIR/certs].")
    ] = "",
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", help="Name or address that clients use besides localhost; repeat."),
    ] = None,
    days: Annotated[int, typer.Option(help="How long the certificate is good.")] = 365,
) -> None:
    """Make a certificate for `serve`, and a development authority that clients can trust.

    The authority is made once; the certificate is made anew each time. No trust of the system is
    changed: it says which variables let a client trust it.

    \b
    voxway certs --host gateway.lan --host 10.0.0.7
    """
    from . import certs as command

    command.run(directory, hosts or (), days)


Url = Annotated[
    str, typer.Option("--url", help="The gateway [env VOXWAY_URL, else ws://127.0.0.1:8080].")
]
Key = Annotated[
    str,
    typer.Option(
        "--key", help="API key [env VOXWAY_API_KEY, else the one a local gateway made itself]."
    ),
]
Authority = Annotated[
    str, typer.Option("--ca", help="PEM file to check a wss:// gateway by [env SSL_CERT_FILE].")
]


Transcript = Annotated[
    str, typer.Option("-o", "--out", help="Write it to a file, too: .txt .srt .vtt .json")
]


@app.command()
def say(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Text, a text file, or - for stdin.")],
    model: Annotated[str, typer.Option("-m", "--model", help="Who speaks.")] = "local/hibari:en",
    out: Annotated[
        str, typer.Option("-o", "--out", help=".wav .mp3 .ogg .opus .flac; -: WAV to stdout.")
    ] = "",
    play: Annotated[bool, typer.Option("--play", help="Play it while it comes.")] = False,
    voice: Annotated[str | None, typer.Option(help="One of the model's voices.")] = None,
    speed: Annotated[float | None, typer.Option(help="1 is normal, 2 is twice as fast.")] = None,
    rate: Annotated[int | None, typer.Option(help="Samples a second (Hz).")] = None,
    url: Url = "",
    key: Key = "",
    ca: Authority = "",
) -> None:
    """Speak a text.

    Standard input is spoken word by word as it arrives. Without -o and --play the speech is
    written to speech.wav.

    \b
    voxway say "Hello, world." -o hello.mp3
    some-language-model | voxway say - --play
    """
    from ..client.gateway import find_gateway
    from ..events import SpeakOptions
    from . import say as command

    options = SpeakOptions(voice=voice, speed=speed, encoding="linear16", sample_rate=rate)
    wish = command.Wish(text, model, options, out, play)
    command.run(find_gateway(url, key, ca), wish)


@app.command()
def transcribe(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Any audio file; - for stdin.")],
    model: Annotated[
        str, typer.Option("-m", "--model", help="Who listens.")
    ] = "local/moonshine:tiny-en",
    partials: Annotated[bool, typer.Option("--partials", help="Show text while it grows.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    words: Annotated[bool, typer.Option("--words", help="The time of each word.")] = False,
    speakers: Annotated[bool, typer.Option("--speakers", help="Who said what.")] = False,
    language: Annotated[str | None, typer.Option(help="Language spoken, as en.")] = None,
    raw: Annotated[
        int | None, typer.Option(help="It has no header: 16-bit mono samples at this rate.")
    ] = None,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Send no faster than it was spoken.")
    ] = False,
    out: Transcript = "",
    url: Url = "",
    key: Key = "",
    ca: Authority = "",
) -> None:
    """Write down what is said.

    \b
    voxway transcribe talk.mp3 --words
    arecord -q -f S16_LE -r 16000 | voxway transcribe - --partials
    """
    from ..client.gateway import find_gateway
    from . import transcribe as command
    from .transcript import Shape

    shape = Shape(partials, json, words, speakers, sys.stdout.isatty())
    wish = command.Wish(source, model, shape, language, raw, real_time, out)
    command.run(find_gateway(url, key, ca), wish)


@app.command()
def listen(
    model: Annotated[
        str, typer.Option("-m", "--model", help="Who listens.")
    ] = "local/moonshine:tiny-en",
    finals: Annotated[
        bool, typer.Option("--finals", help="No text that may still change.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    speakers: Annotated[bool, typer.Option("--speakers", help="Who said what.")] = False,
    language: Annotated[str | None, typer.Option(help="Language spoken, as en.")] = None,
    device: Annotated[
        str, typer.Option(help="Which microphone: its number, or a part of its name.")
    ] = "",
    out: Transcript = "",
    url: Url = "",
    key: Key = "",
    ca: Authority = "",
) -> None:
    """Caption the microphone, until Ctrl-C.

    A lost connection is found again, and what was said meanwhile is heard then.

    \b
    voxway listen
    voxway listen --speakers -o meeting.srt
    """
    from ..client.gateway import find_gateway
    from . import listen as command
    from .transcript import Shape

    shape = Shape(not finals, json, False, speakers, sys.stdout.isatty())
    wish = command.Wish(model, shape, language, device, out)
    command.run(find_gateway(url, key, ca), wish)


@app.command()
def doctor(
    url: Annotated[
        str,
        typer.Argument(metavar="[URL]", help="The gateway [env VOXWAY_URL, else this machine]."),
    ] = "",
    key: Key = "",
    ca: Authority = "",
    speaks: Annotated[
        bool, typer.Option("--speech/--no-speech", help="Also speak and listen to a sentence.")
    ] = True,
    voice: Annotated[str, typer.Option(help="The model to speak by [else one of its own].")] = "",
    ear: Annotated[str, typer.Option(help="The model to listen by [else one of its own].")] = "",
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what is wrong between here and a gateway, and what to do about it.

    DNS, proxy, TCP, TLS, the upgrade, the key, clocks, round trips, bandwidth, and a sentence that
    is spoken and heard.

    \b
    voxway doctor wss://speech.example.com --key YOUR_KEY
    """
    from . import doctor as command

    command.run(url, key, ca, speaks=speaks, voice=voice, ear=ear, json=json)


@app.command()
def models(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="What this machine's settings make usable; no gateway.")
    ] = False,
    url: Url = "",
    key: Key = "",
    ca: Authority = "",
) -> None:
    """List what a gateway can do, or with --check what each model of the catalog still lacks.

    \b
    voxway models --url wss://speech.example.com --key KEY
    DEEPGRAM_API_KEY=... voxway models --check
    """
    from ..client.gateway import find_gateway
    from . import models as command

    if check:
        command.check(json=json)
    else:
        command.run(find_gateway(url, key, ca), json=json)


@app.command()
def usage(
    by: Annotated[
        str,
        typer.Option(
            help="Add up by these, in this order: day, key, model, organisation, agent, tag, "
            "account, provider, asked, task, kind, outcome. Empty: all together."
        ),
    ] = "day,model",
    since: Annotated[
        str, typer.Option(help="From this day (UTC) or moment on, or as long ago as 12h, 30d, 4w.")
    ] = "30d",
    until: Annotated[str, typer.Option(help="Up to this day, and all of it. [default: now]")] = "",
    organisation: Annotated[str, typer.Option(help="Of this one only.")] = "",
    account: Annotated[str, typer.Option(help="Of this one only.")] = "",
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to show it.")
    ] = "table",
) -> None:
    """Show what was used: sessions, characters, audio, and what it costs by your prices.

    Works on the gateway's own database (VOXWAY_DATA_DIR or VOXWAY_DATABASE_URL), whether a gateway
    is running or not. A session counts for the day on which it was opened; one that is open counts
    as of half a minute ago at most. Times are seconds, `ttfa` the mean time to the first audio or
    transcript.

    \b
    voxway usage
    voxway usage --by key,model --since 2026-11-01 --until 2026-11-30
    voxway usage --by organisation,day --since 90d --format csv > usage.csv
    """
    from . import usage as command

    command.run(command.Wish(by, since, until, organisation, account), form)


@app.command()
def demo(
    play: Annotated[bool, typer.Option("--play", help="Play the sentence.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the gateway up until Ctrl-C, to try it.")
    ] = False,
) -> None:
    """Send a sentence through a gateway of its own: text to speech, and back to text.

    Writes demo.wav. Needs no configuration, no network and no other gateway.

    \b
    voxway demo --play
    """
    from . import demo as command

    command.run(play=play, keep=keep)


@app.command()
def engine(
    model: Annotated[str, typer.Argument(help="local/hibari:en or local/moonshine:tiny-en.")],
    listen: Annotated[str, typer.Option(help="unix:PATH or tcp:HOST:PORT.")],
    streams: Annotated[int, typer.Option(help="Sessions at once; 0: as the cores allow.")] = 0,
    until_stdin_closes: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Host one local model as an engine worker.

    A gateway starts its own; run one by hand to put it on another machine, and name it there:
    VOXWAY_ENGINES="local/hibari:en=tcp:10.0.0.5:7000" voxway serve
    """
    from . import engine as command

    command.run(model, listen, streams or None, until_stdin_closes=until_stdin_closes)


def run() -> None:
    """The entry point: errors of ours and of the system become one line and an exit code."""
    try:
        app()
    except GatewayError as error:
        from . import exits

        typer.echo(f"voxway: {exits.line(error)}", err=True)
        sys.exit(exits.code(error))
    except OSError as error:  # as of a disk that is full
        from . import exits

        typer.echo(f"voxway: {str(error) or type(error).__name__}", err=True)
        sys.exit(exits.FAILED)


if __name__ == "__main__":
    run()
