"""The built-in datasets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BuiltinDataset:
    """A built-in dataset.

    Attributes:
        name: its name in a request.
        description: what it is.
        joiner: the text between two of its documents.
        published_window: the length of the windows on which the literature measures perplexity;
            None for a dataset that the literature does not measure it on.
    """

    name: str
    description: str
    joiner: str = "\n\n"
    published_window: int | None = None

    @property
    def protocol(self) -> str | None:
        """The name of the literature's protocol, such as ``wikitext2@2048``, if there is one."""
        return f"{self.name}@{self.published_window}" if self.published_window else None


BUILTIN_DATASETS = {
    dataset.name: dataset
    for dataset in (
        BuiltinDataset(
            "wikitext2",
            "WikiText-2 (raw), downloaded from the hub: articles of Wikipedia. Calibrates on its "
            "training split, evaluates on its test split.",
            published_window=2048,
        ),
        BuiltinDataset(
            "c4",
            "C4 (English), downloaded from the hub: web pages. Calibrates on single long pages of "
            "the first training shard, evaluates on 256 windows of the first validation shard's "
            "first 1,100 pages.",
            joiner=" ",
            published_window=2048,
        ),
        BuiltinDataset(
            "ptb",
            "Penn Treebank, downloaded from the hub: newspaper sentences in lower case, with rare "
            "words replaced. Calibrates on its training split, evaluates on its test split.",
            joiner=" ",
            published_window=2048,
        ),
        BuiltinDataset(
            "pile",
            "The first 10,000 documents of the Pile, downloaded from the hub: mixed text and code. "
            "Every tenth document is evaluated on, the others calibrate.",
        ),
        BuiltinDataset(
            "stdlib-docs",
            "The docstrings of the worker's own Python: available on every machine without a "
            "download. Every tenth module is evaluated on, the others calibrate.",
        ),
        BuiltinDataset(
            "stdlib-code",
            "The source code of the worker's own Python without docstrings, at most the first 200 "
            "lines of each module: available on every machine without a download. Every tenth "
            "module is evaluated on, the others calibrate.",
        ),
    )
}
