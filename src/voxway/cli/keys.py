"""`voxway keys`: give out keys, look at them, and take them back."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Give out keys, look at them, and take them back.

    Works on the gateway's own database (VOXWAY_DATA_DIR or VOXWAY_DATABASE_URL), whether a gateway
    is running or not. A KEY is named by its prefix, as vxw_Ab12Cd34, or by its id.

    \b
    voxway keys create acme --tier pro --expires 30d
    voxway keys list
    voxway keys limit acme 250
    """,
)

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Named = Annotated[str, typer.Argument(metavar="KEY", help="Prefix or id.", show_default=False)]


@app.command()
def create(
    organisation: Annotated[
        str, typer.Argument(metavar="ORGANISATION", help="Whom it is for; made if it is new.")
    ],
    name: Annotated[str, typer.Option(help="What it is for.")] = "default",
    tier: Annotated[str, typer.Option(help="free, pro, enterprise, or one of yours.")] = "free",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="tts, stt, http or admin; repeat. [default: tts, stt, http]"),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(help="Models it may use, by pattern as deepgram/*; repeat. [default: all]"),
    ] = None,
    expires: Annotated[
        str, typer.Option(help="After 12h, 30d or 4w; or on a day, as 2030-12-31 (UTC).")
    ] = "",
    json: Json = False,
) -> None:
    """Make a key. It is shown this once.

    The key alone goes to standard output, all else to standard error.

    \b
    voxway keys create acme --name "voice bot" --tier pro
    voxway keys create acme --scope stt --models "local/*" --expires 30d
    KEY=$(voxway keys create operators --scope admin)
    """
    from . import keyring

    wish = keyring.Wish(organisation, name, tier, tuple(scope or ()), tuple(models or ()), expires)
    keyring.create(wish, json=json)


@app.command(name="list")
def list_keys(
    organisation: Annotated[str, typer.Option(help="Of this one only.")] = "",
    all: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    json: Json = False,
) -> None:
    """List the keys that are good.

    \b
    voxway keys list --organisation acme
    """
    from . import keyring

    keyring.list_keys(organisation, all=all, json=json)


@app.command()
def show(key: Named, json: Json = False) -> None:
    """Show what is known of a key.

    \b
    voxway keys show vxw_Ab12Cd34
    """
    from . import keyring

    keyring.show(key, json=json)


@app.command()
def revoke(key: Named, json: Json = False) -> None:
    """Let a key be good for nothing: its sessions end within a second.

    \b
    voxway keys revoke vxw_Ab12Cd34
    """
    from . import keyring

    keyring.revoke(key, json=json)


@app.command()
def rotate(
    key: Named,
    grace: Annotated[
        str, typer.Option(help="How long the old one goes on, as 12h. [default: it ends now]")
    ] = "",
    tier: Annotated[str, typer.Option(help="Another tier. [default: as it was]")] = "",
    json: Json = False,
) -> None:
    """Make a new key in place of one, for the same account. It is shown this once.

    \b
    voxway keys rotate vxw_Ab12Cd34 --grace 24h
    voxway keys rotate vxw_Ab12Cd34 --tier pro
    """
    from . import keyring

    keyring.rotate(key, grace, tier, json=json)


@app.command()
def limit(
    organisation: Annotated[
        str, typer.Argument(metavar="ORGANISATION", help="Whom; all of them if left out.")
    ] = "",
    amount: Annotated[
        str,
        typer.Argument(metavar="AMOUNT", help="A month, in the currency of your prices; or none."),
    ] = "",
    json: Json = False,
) -> None:
    """Bound what an organisation may spend in a month (UTC), or show what it has spent.

    Reckoned by the prices in the catalog. Who has spent it all is refused (quota_exceeded) within
    a second; what is open goes on.

    \b
    voxway keys limit acme 250
    voxway keys limit acme none
    voxway keys limit
    """
    from . import keyring

    keyring.limit(organisation, amount, json=json)
