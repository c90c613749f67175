"""``python -m worker.templates.tasks``: renders templates as the LM Evaluation Harness does."""

import os
from functools import lru_cache
from typing import Any

from worker.templates.rendering import serve


def render(template: str, values: dict[str, Any]) -> str:
    """Render a template with the fields of a document."""
    return str(_compiled(template).render(values))


@lru_cache(maxsize=100)
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


@lru_cache(maxsize=1)
def _environment() -> Any:
    """Return the harness's environment, but sandboxed."""
    from jinja2 import StrictUndefined  # noqa: PLC0415 - within the bounds
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415 - within the bounds
    from lm_eval import utils  # noqa: PLC0415 - within the bounds

    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= utils.env.filters
    return environment


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each reserves memory
    serve(render)
