"""The progress of a download, told to a function instead of a terminal."""

import threading
from collections.abc import Callable
from typing import Any

OnProgress = Callable[[int, int], None]
"""Takes bytes done and bytes in all."""


def bar(tell: Callable[[int], None]) -> type[Any]:
    """Return a class that the hub's client takes for tqdm and that prints nothing.

    The client makes one bar that counts files and two that count bytes, those that arrived and
    those that were written; ``tell`` hears the latter's count.
    """

    class Bar:
        _lock: Any = threading.RLock()

        def __init__(self, *_: object, **options: Any) -> None:
            self.n: float = options.get("initial") or 0
            self.total: float | None = options.get("total")
            name = str(options.get("desc", ""))
            self._tells = options.get("unit") == "B" and not name.startswith("Downloading")

        def update(self, count: float | None = 1) -> None:
            with self._lock:
                self.n += count or 0
                if self._tells:
                    tell(int(self.n))

        @classmethod
        def get_lock(cls) -> Any:
            return cls._lock

        @classmethod
        def set_lock(cls, lock: Any) -> None:
            cls._lock = lock

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing to close."""

        def __getattr__(self, name: str) -> Callable[..., None]:
            """Take every call that only changes how a bar looks."""
            if name.startswith("_") or name not in _LOOKS:
                raise AttributeError(name)
            return lambda *_, **__: None

    return Bar


_LOOKS = {
    "clear",
    "close",
    "display",
    "refresh",
    "reset",
    "set_description",
    "set_description_str",
    "set_postfix",
    "set_postfix_str",
}
