"""A process that renders untrusted templates, with limits on time, memory and texts.

Jinja's sandbox keeps a template from Python's objects, but not from computing for ever, or from
filling the memory with a text, a list or a number.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from db.files.bounded_process import BoundedProcess, BoundsExceededError, serve_bounded

MEMORY_BYTES = 512 << 20
"""A limit on the address space, of which Python with its libraries takes 150 MiB."""
CPU_S = 5
"""The limit for one text."""
TIMEOUT_S = 240.0
"""The limit on elapsed time for one text, long enough for a machine under load."""
START_S, SECONDS_PER_TEXT, SECONDS_PER_CHARACTER = 10.0, 1e-3, 2 / (1 << 20)
"""The limit for all texts grows with them; real templates take a fifth of this or less."""
START_CHARACTERS, GROWTH = 64 << 20, 4
"""All texts may have as many characters as a plain text, and so many times those of the values."""

Render = Callable[[str, dict[str, Any]], str]


class TemplateError(Exception):
    """A template failed; the message is the template's or the sandbox's."""


class TemplateLimitError(TemplateError):
    """A template exceeded a limit; the message says which."""


class Rendering:
    """Renders templates in another process, which starts with the first text.

    As a context manager, it ends the process. After an exceeded limit it starts anew.

    Args:
        module: the program of the process, which calls `serve`.
        max_length: the limit on the length of one text; None for that of all texts.
    """

    def __init__(self, module: str, max_length: int | None = None) -> None:
        self._process = BoundedProcess(
            module, memory_bytes=MEMORY_BYTES, cpu_s=CPU_S, timeout_s=TIMEOUT_S
        )
        self._max_length = max_length
        self._seconds, self._characters, self._made = START_S, START_CHARACTERS, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Render a template with values that JSON can represent.

        Raises:
            TemplateLimitError: it took too much time or memory, or its text is too long; or all
                texts together do.
            TemplateError: it failed.
        """
        size = len(str(values))
        self._seconds += SECONDS_PER_TEXT + size * SECONDS_PER_CHARACTER
        self._characters += size * GROWTH
        left = self._characters - self._made
        limit = min(left, self._max_length or left)
        request = {"template": template, "values": dict(values), "limit": limit}
        try:
            response = self._process.ask(request)
        except BoundsExceededError as error:
            raise self._exceeded(str(error)) from None
        if response["seconds"] > self._seconds:
            raise self._exceeded(f"all texts took more than {self._seconds:.0f} seconds")
        if (fault := response.get("fault")) is not None:
            raise TemplateError(fault)
        if (text := response.get("text")) is None:
            if limit < left:
                raise self._exceeded(f"its text has more than {limit:,} characters")
            raise self._exceeded(f"all texts have more than {self._characters:,} characters")
        self._made += len(text)
        return str(text)

    def close(self) -> None:
        """End the process, if it runs."""
        self._process.close()
        self._seconds, self._characters, self._made = START_S, START_CHARACTERS, 0

    def _exceeded(self, reason: str) -> TemplateLimitError:
        self.close()
        return TemplateLimitError(reason)


def serve(render: Render) -> None:
    """Render the templates that a `Rendering` sends to this process."""

    def work(request: dict[str, Any]) -> dict[str, Any]:
        response: dict[str, Any] = {}
        try:
            text = render(request["template"], request["values"])
            if len(text) <= request["limit"]:
                response["text"] = text
        except MemoryError:
            raise
        except Exception as error:  # a template is a program, which may raise anything
            response["fault"] = str(error)[:500]
        return response | {"seconds": time.process_time()}

    serve_bounded(work)
