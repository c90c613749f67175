"""The templates of tasks, which are programs, rendered in a process with limits."""

import atexit
from typing import Any

from lm_eval import utils

from worker.evaluation.task_fields import TaskError
from worker.templates.rendering import Rendering, TemplateError, TemplateLimitError

MAX_LENGTH = 1_000_000
"""The longest text that a template may make."""


class BoundedEnvironment:
    """Stands in for the harness's Jinja environment, which has no limits.

    Its templates are rendered in another process, with limits.
    """

    def __init__(self) -> None:
        self._rendering = Rendering("worker.templates.tasks", MAX_LENGTH)
        atexit.register(self._rendering.close)

    def from_string(self, source: str) -> "BoundedTemplate":
        return BoundedTemplate(self._rendering, source)


class BoundedTemplate:
    """A template that is rendered in another process."""

    def __init__(self, rendering: Rendering, source: str) -> None:
        self._rendering, self._source = rendering, source

    def render(self, **fields: Any) -> str:
        """Render the template with the fields of a document.

        Raises:
            TaskError: it failed, or exceeded a limit.
        """
        try:
            return self._rendering.render(self._source, fields)
        except TemplateLimitError as error:
            raise TaskError(f"its template {self._source!r:.80} exceeds a limit: {error}") from None
        except TemplateError as error:
            raise TaskError(f"its template {self._source!r:.80} fails: {error}") from None


def limit_templates() -> None:
    """Make the harness render templates with limits; by itself it sets none."""
    utils.env = BoundedEnvironment()
