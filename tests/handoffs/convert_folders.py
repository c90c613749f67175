"""Runs llama.cpp's converter on several folders in one process, whatever their tokenizers are.

The arguments are the folder of the converter's script, and pairs of a model's folder and a file.
"""

import importlib
import json
import pkgutil
import sys
from contextlib import suppress
from typing import Any


def _accept_all_vocabularies() -> None:
    """Have all architectures take a byte-level vocabulary that no release knows."""
    package = importlib.import_module("conversion")
    for found in pkgutil.iter_modules(package.__path__):
        with suppress(AttributeError):  # a module may need a newer release of the package gguf
            importlib.import_module(f"conversion.{found.name}")
    modules = [one for name, one in sys.modules.items() if name.startswith("conversion.")]
    for module in modules:
        kinds: list[Any] = [one for one in vars(module).values() if isinstance(one, type)]
        for one in kinds:
            if "get_vocab_base_pre" in vars(one):
                one.get_vocab_base_pre = lambda *_: "smollm"
            if "set_vocab" in vars(one):
                one.set_vocab = lambda model: model._set_vocab_gpt2()


def main() -> None:
    script, *paths = sys.argv[1:]
    sys.path.insert(0, script)
    converter: Any = importlib.import_module("convert_hf_to_gguf")
    _accept_all_vocabularies()
    errors: dict[str, str] = {}
    for folder, file in zip(paths[::2], paths[1::2], strict=True):
        sys.argv = ["convert", folder, "--outfile", file, "--outtype", "f32"]
        try:
            converter.main()
        except (Exception, SystemExit) as error:
            errors[file] = repr(error)
    sys.stdout.write(json.dumps(errors))


if __name__ == "__main__":
    main()
