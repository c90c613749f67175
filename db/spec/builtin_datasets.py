"""The datasets that a job names by a short word."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BuiltinDataset:
    """One of them; ``joiner`` stands between two of its documents."""

    name: str
    description: str
    joiner: str = "\n\n"


BUILTIN_DATASETS = {
    one.name: one
    for one in (
        BuiltinDataset(
            "wikitext2",
            "WikiText-2 (raw): articles of Wikipedia. Calibrates on its training split, evaluates "
            "on its test split.",
        ),
        BuiltinDataset(
            "c4",
            "C4 (English): web pages. Calibrates on single long pages of the first training "
            "shard, evaluates on 256 windows of the first validation shard's first 1,100 pages.",
            joiner=" ",
        ),
        BuiltinDataset(
            "ptb",
            "Penn Treebank: newspaper sentences in small letters, with rare words left out. "
            "Calibrates on its training split, evaluates on its test split.",
            joiner=" ",
        ),
        BuiltinDataset(
            "pile",
            "The first 10,000 documents of the Pile: mixed text and code. Every tenth document "
            "is evaluated on, the others calibrate.",
        ),
        BuiltinDataset(
            "stdlib-docs",
            "The docstrings of the worker's own Python: there on every machine, without a "
            "download. Every tenth module is evaluated on, the others calibrate.",
        ),
    )
}
