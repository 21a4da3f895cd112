"""The command line: `voxway serve`, `say`, `transcribe`, `models`, `demo`, `engine`.

Each command is a file of its own, imported when it is called, so that `--help` stays quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import __version__
from ..errors import GatewayError

app = typer.Typer(
    name="voxway",
    help="One WebSocket to every voice and every recognizer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    dev: Annotated[
        bool, typer.Option("--dev", help="Answer models without a backend by the local ones.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Start the gateway.

    Without VOXWAY_API_KEYS it listens on loopback only and makes a key, which it prints once.
    Example: VOXWAY_API_KEYS="mykey:enterprise" voxway serve --host 0.0.0.0 --port 8080
    """
    from . import serve as command

    command.run(
        command.Listen(host, port, tls_cert or None, tls_key or None), dev=dev, level=log_level
    )


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
    """The entry point: errors of ours become one line and exit code 2."""
    try:
        app()
    except GatewayError as error:
        typer.echo(f"voxway: {error.message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    run()
