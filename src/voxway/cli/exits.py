"""What the exit code of a command says, and the one line that goes with it."""

from __future__ import annotations

from ..client.failures import UnreachableError
from ..errors import AuthError, GatewayError, LimitError, ProtocolError, QuotaError, TooLargeError

OK, WRONG_USE, UNREACHABLE, REFUSED, FAILED, INTERRUPTED = 0, 2, 3, 4, 5, 130

# The first that fits decides: a class stands before those it derives from.
_CODES: tuple[tuple[type[GatewayError], int], ...] = (
    (UnreachableError, UNREACHABLE),
    (AuthError, REFUSED),
    (LimitError, REFUSED),
    (QuotaError, REFUSED),
    (TooLargeError, REFUSED),
    (ProtocolError, WRONG_USE),
)


def code(error: GatewayError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def line(error: GatewayError) -> str:
    """What to tell the user, with what to do about it."""
    match error:
        # The one word that OpenSSL and all that wrap it have in common.
        case UnreachableError() if "CERTIFICATE_VERIFY_FAILED" in error.message:
            return f"{error.message}. If it is yours, name its certificate with --ca"
        case UnreachableError() if "WRONG_VERSION_NUMBER" in error.message:
            return f"{error.message}. There is no TLS at this port: say ws:// in place of wss://"
        case UnreachableError() if "closed during the handshake" in error.message:
            return f"{error.message}. If TLS is spoken at this port, say wss:// in place of ws://"
        case UnreachableError():
            return f"{error.message}. Start one with `voxway serve`, or name another with --url"
        case AuthError():
            return f"{error.message}. Give the gateway's key with --key or VOXWAY_API_KEY"
        case LimitError(retry_after=float() as seconds):
            return f"{error.message}. Try again in {seconds:.0f} s"
        case _:
            return error.message
