"""The templates of tasks, which are programs, rendered with limits on what they may do."""

from collections.abc import Sized
from typing import Any

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from lm_eval import utils

MAX_LENGTH = 1_000_000
"""The longest text or list, and the largest power, that an operator may make."""


class LimitedEnvironment(SandboxedEnvironment):
    """Renders templates that can reach no Python object but their values, nor fill the memory."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply, or raise to a power.

        Raises:
            SecurityError: the result would be too large.
        """
        sizes = [len(one) if isinstance(one, Sized) else abs(one) for one in (left, right)]
        is_repeated = isinstance(left, Sized) or isinstance(right, Sized)
        if operator == "**" and (sizes[0] > 1000 or sizes[1] > 64):
            raise SecurityError("a power is too large")
        if operator == "*" and is_repeated and sizes[0] * sizes[1] > MAX_LENGTH:
            raise SecurityError("a text or list is repeated too often")
        return super().call_binop(context, operator, left, right)


def limit_templates() -> None:
    """Make the harness render templates with limits; by itself it sets none."""
    limited = LimitedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    limited.filters |= utils.env.filters
    utils.env = limited
