"""Through a proxy, and past it."""

from __future__ import annotations

import asyncio
from io import StringIO

import pytest
from rich.console import Console

from client.tunnel import Tunnel
from conftest import Gateway as Running
from voxway.client import NEVER, Gateway, UnreachableError, Voxway, list_models
from voxway.client.proxies import Proxy, proxy_for
from voxway.errors import ConfigError

SOME = {"https_proxy": "http://p:1", "HTTP_PROXY": "http://q:2"}


@pytest.mark.parametrize("given", ["http://me:secret@p:port", "http://[p", "p..q:1", "http://"])
def test_what_is_no_proxy(given: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        proxy_for("wss://x.example", {"HTTPS_PROXY": given})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("wss://x.example", {}, None),
        ("wss://x.example", SOME, "p:1"),
        ("ws://x.example", SOME, "q:2"),
        ("wss://x.example", SOME | {"HTTPS_PROXY": "http://r:3"}, "p:1"),
        ("wss://x.example", {"ALL_PROXY": "socks5://s:1080"}, "s:1080"),
        ("wss://x.example", {"https_proxy": "p:1"}, "p:1"),
        ("wss://x.example", {"https_proxy": "https://p"}, "p:443"),
        ("wss://x.example", {"https_proxy": ""}, None),
        ("ws://127.0.0.1:8080", SOME, None),
        ("ws://localhost", SOME, None),
        ("wss://x.example:8443", SOME | {"NO_PROXY": "y.example,x.example"}, None),
        ("wss://a.x.example", SOME | {"no_proxy": ".x.example"}, None),
        ("wss://x.example:8443", SOME | {"no_proxy": "x.example:8443"}, None),
        ("wss://xx.example", SOME | {"no_proxy": "x.example"}, "p:1"),
        ("wss://x.example", SOME | {"no_proxy": "*"}, None),
    ],
)
def test_which_proxy(url: str, environ: dict[str, str], proxy: str | None) -> None:
    found = proxy_for(url, environ)
    assert (found.name if found else None) == proxy


def test_its_password_is_shown_to_nobody_but_it() -> None:
    proxy = Proxy("http://me:s%3Acret@p:1")
    shown = StringIO()
    Console(file=shown).print(proxy)
    assert "cret" not in repr(proxy) + str(proxy) + shown.getvalue()
    assert proxy.headers() == {"Proxy-Authorization": "Basic bWU6czpjcmV0"}
    assert Proxy("http://p:1").headers() == {}


@pytest.fixture
def there(gateway: Running) -> tuple[Gateway, dict[str, str]]:
    """A gateway under a name that only the proxy knows."""
    host, _, port = gateway.address.rpartition(":")
    return Gateway(f"ws://gateway.example:{port}", gateway.key), {"gateway.example": host}


def test_speech_comes_through_a_proxy(
    there: tuple[Gateway, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, hosts = there

    async def test() -> None:
        async with Tunnel("me:secret", hosts=hosts) as proxy:
            monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            assert len(await list_models(gateway)) >= 2
            async with Voxway(gateway.url, gateway.key) as vox:
                speech = await vox.speak("Hello.")
            assert speech.seconds > 0.3
            assert proxy.asked == [gateway.url.removeprefix("ws://")] * 2

    asyncio.run(test())


def test_a_proxy_that_refuses_is_told_without_its_password(
    there: tuple[Gateway, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, hosts = there

    async def test() -> None:
        async with Tunnel("me:secret", hosts=hosts) as proxy:
            monkeypatch.setenv("http_proxy", f"http://me:wrong@127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            with pytest.raises(UnreachableError, match="407") as caught:
                async with Voxway(gateway.url, gateway.key, retry=NEVER) as vox:
                    await vox.speak("Hello.")
            assert "wrong" not in str(caught.value)
            with pytest.raises(UnreachableError, match="407"):
                await list_models(gateway)

    asyncio.run(test())
