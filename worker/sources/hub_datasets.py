"""The built-in datasets on the hub, read as in the literature."""

from collections.abc import Mapping
from dataclasses import dataclass

from db.spec.datasets.builtin import BUILTIN_DATASETS


@dataclass(frozen=True)
class HubText:
    """Text in a dataset repository.

    Attributes:
        repo: the repository's id.
        config: the configuration to read; None for the only one.
        revision: branch, tag or commit, resolved to a commit before reading; None for the default
            branch.
        files: the file of each split; None to read all files that the repository declares.
        column: the column of the text; None to detect it.
        joiner: the text between two documents.
        samples_documents: whether calibration windows are cut from single long documents instead
            of the joined text.
        eval_documents: the number of documents for evaluation; None for all.
        eval_windows: the default number of evaluation windows; None for all.
    """

    repo: str
    config: str | None = None
    revision: str | None = None
    files: Mapping[str, str] | None = None
    column: str | None = None
    joiner: str = "\n\n"
    samples_documents: bool = False
    eval_documents: int | None = None
    eval_windows: int | None = None


BUILTIN_TEXTS: dict[str, HubText] = {
    "wikitext2": HubText("Salesforce/wikitext", config="wikitext-2-raw-v1", column="text"),
    # One shard of each split, as in SparseGPT's loader and all later papers.
    "c4": HubText(
        "allenai/c4",
        files={
            "train": "en/c4-train.00000-of-01024.json.gz",
            "validation": "en/c4-validation.00000-of-00008.json.gz",
        },
        column="text",
        joiner=BUILTIN_DATASETS["c4"].joiner,
        samples_documents=True,
        eval_documents=1100,
        eval_windows=256,
    ),
    # The repository contains a script, which is not run; the hub has a conversion to Parquet.
    "ptb": HubText(
        "ptb-text-only/ptb_text_only",
        revision="refs/convert/parquet",
        files={
            "train": "penn_treebank/train/0000.parquet",
            "validation": "penn_treebank/validation/0000.parquet",
            "test": "penn_treebank/test/0000.parquet",
        },
        column="sentence",
        joiner=BUILTIN_DATASETS["ptb"].joiner,
    ),
    "pile": HubText("NeelNanda/pile-10k", column="text"),
}
