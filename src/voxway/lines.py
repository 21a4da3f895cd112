"""All upstream connections of one session: one for each context, or several contexts on one."""

from __future__ import annotations

from collections.abc import Callable

from .converting import plan
from .errors import GatewayError
from .events import Event, Finish, Options, Start
from .peers import Line, Side, Way


class Lines:
    """All lines of one session."""

    def __init__(self, way: Way, side: Side, clock: Callable[[], float]) -> None:
        self._way = way
        self._side = side
        self._clock = clock
        self._by_context: dict[str, Line] = {}

    def send(self, command: Event) -> None:
        """Say it to the upstream of its context, now or once its socket is open."""
        context = command.context
        if isinstance(command, Start) and command.options is not None:
            try:
                self._by_context[context] = self._line_for(context, command.options)
            except GatewayError as error:  # the provider has no form for these options
                self._side.upstream_failed(error, context)
                return
        line = self._by_context.get(context)
        if line is None:
            return
        line.say(command)
        if isinstance(command, Finish) and self._way.task == "tts":
            del self._by_context[context]
            line.contexts.discard(context)
            if not line.contexts:
                line.close()

    def close(self) -> None:
        """Let go of them all."""
        for line in self._lines():
            line.close()
        self._by_context.clear()

    def pause(self) -> None:
        for line in self._lines():
            line.pause()

    def resume(self) -> None:
        for line in self._lines():
            line.resume()

    def tick(self) -> None:
        for line in self._lines():
            line.tick()

    def _line_for(self, context: str, options: Options) -> Line:
        """One that leads to the same place and has room, or a new one."""
        most = self._way.policy.contexts
        if most > 1 and context:
            endpoint = self._way.endpoint(plan(options, self._way.model).asked)
            for line in self._lines():
                if line.endpoint == endpoint and len(line.contexts) < most:
                    line.contexts.add(context)
                    return line
        return Line(self._way, options, context, self._side, self._clock)

    def _lines(self) -> list[Line]:
        return list(dict.fromkeys(self._by_context.values()))
