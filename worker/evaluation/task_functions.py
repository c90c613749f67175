"""Functions that task files name: Python beside the files, in folders that the operator chose."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from worker.evaluation.task_fields import TaskError


@dataclass(frozen=True)
class FunctionName:
    """The value of a field with the tag ``!function``; no code has run yet.

    Attributes:
        file: the task file.
        name: the module beside the file, a dot, and the function.
    """

    file: Path
    name: str

    def load(self, folders: Sequence[Path]) -> Callable[..., Any]:
        """Import the module, and return the function.

        Args:
            folders: the folders of task files, with links resolved.

        Raises:
            TaskError: there is no such module below the folders, it cannot be imported, or it has
                no such function.
        """
        module_name, _, function = self.name.rpartition(".")
        path = Path(os.path.realpath(self.file.parent / f"{module_name}.py"))
        if not module_name.isidentifier() or not path.is_file():
            raise self._refused(f"there is no file {module_name:.80}.py beside it")
        if not any(path.is_relative_to(folder) for folder in folders):
            raise self._refused("its file is outside of the folders of ZPRUNER_TASK_ROOTS")
        spec = spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise self._refused(f"{path.name} is no module")
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            first = str(error).partition("\n")[0]
            raise self._refused(f"{path.name} cannot be imported: {first:.200}") from error
        attribute = getattr(module, function, None)
        if not callable(attribute):
            raise self._refused(f"{path.name} has no function {function:.80}")
        loaded: Callable[..., Any] = attribute
        return loaded

    def _refused(self, reason: str) -> TaskError:
        return TaskError(f"it names the function {self.name:.80}, and {reason}")
