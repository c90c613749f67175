"""The built-in datasets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BuiltinDataset:
    """A built-in dataset; ``joiner`` is put between its documents."""

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
            "Penn Treebank: newspaper sentences in lower case, with rare words replaced. "
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
            "The docstrings of the worker's own Python: available on every machine without a "
            "download. Every tenth module is evaluated on, the others calibrate.",
        ),
    )
}
