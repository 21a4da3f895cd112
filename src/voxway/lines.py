"""All upstream connections of one session: one for each context, or several contexts on one."""

from __future__ import annotations

from collections.abc import Callable

from .converting import plan
from .errors import GatewayError
from .events import Event, Finish, Options, Start
from .line import Line
from .peers import Side, Way


class Lines:
    """All lines of one session. One that can be shared stays for a while after its last context,
    since the next one may not be long."""

    def __init__(self, way: Way, side: Side, clock: Callable[[], float]) -> None:
        self._way = way
        self._side = side
        self._clock = clock
        self._lines: list[Line] = []
        self._by_context: dict[str, Line] = {}
        self._is_paused = False

    @property
    def is_full(self) -> bool:
        """Whether no more should be said for now."""
        return any(line.is_full for line in self._lines)

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
            if self._way.policy.contexts == 1:
                line.close()
                self._lines.remove(line)

    def close(self) -> None:
        """Let go of them all."""
        for line in self._lines:
            line.close()
        self._lines.clear()
        self._by_context.clear()

    def pause(self) -> None:
        self._is_paused = True
        for line in self._lines:
            line.pause()

    def resume(self) -> None:
        self._is_paused = False
        for line in self._lines:
            line.resume()

    def tick(self) -> None:
        for line in list(self._lines):
            line.tick()
            if not line.is_there and line in self._lines:
                line.close()
                self._lines.remove(line)

    def _line_for(self, context: str, options: Options) -> Line:
        """One that leads to the same place and has room, or a new one."""
        if self._way.policy.contexts > 1 and context:
            endpoint = self._way.endpoint(plan(options, self._way.model).asked)
            for line in self._lines:
                if line.endpoint == endpoint and line.has_room():
                    line.contexts.add(context)
                    return line
        line = Line(self._way, options, context, self._side, self._clock)
        self._lines.append(line)
        if self._is_paused:
            line.pause()
        return line
