"""The documents that describe the gateway, and a page that shows them without any other server."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from . import asyncapi

PAGE = files("voxway") / "data" / "reference.html"


def routes(describe: Callable[[], dict[str, Any]]) -> list[HTTPRouteHandler]:
    """The routes. They are for everybody, and not in the documents themselves. `describe` gives
    the OpenAPI document, which is made for the first who asks."""
    described = cache(describe)

    @get("/openapi.json", sync_to_thread=False)
    def openapi_document() -> dict[str, Any]:
        return described()

    @get("/asyncapi.json", sync_to_thread=False)
    def asyncapi_document(request: Request[Any, Any, Any]) -> dict[str, Any]:
        host = request.headers.get("host", "localhost")
        return asyncapi.document(host, secure=request.url.scheme == "https")

    @get("/docs", media_type="text/html", sync_to_thread=False)
    def page() -> Response[bytes]:
        return Response(PAGE.read_bytes(), media_type="text/html", headers=HEADERS)

    return [openapi_document, asyncapi_document, page]


# The page brings all it needs: what a browser would fetch from elsewhere is a mistake.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "connect-src 'self'"
    )
}
