"""Where the built-in datasets live on the hub, and how the literature reads them."""

from collections.abc import Mapping
from dataclasses import dataclass

from db.spec.builtin_datasets import BUILTIN_DATASETS


@dataclass(frozen=True)
class HubText:
    """Text in a dataset repository.

    Attributes:
        repo: the repository's id.
        config: which of its configurations; None where it has one.
        revision: branch, tag or commit; pinned to a commit when it is read.
        files: split -> file, to leave the others alone; None reads what the repository declares.
        column: which column holds the text; None finds it.
        joiner: what stands between two documents.
        draws: whether calibration takes single long documents rather than the joined text.
        eval_documents: how many documents are evaluated on; None for all.
        eval_windows: how many windows are evaluated on by default; None for all.
    """

    repo: str
    config: str | None = None
    revision: str | None = None
    files: Mapping[str, str] | None = None
    column: str | None = None
    joiner: str = "\n\n"
    draws: bool = False
    eval_documents: int | None = None
    eval_windows: int | None = None


BUILTIN_TEXTS: dict[str, HubText] = {
    "wikitext2": HubText("Salesforce/wikitext", config="wikitext-2-raw-v1", column="text"),
    # One shard of 1,024 each way, as SparseGPT's loader reads it and all later papers do.
    "c4": HubText(
        "allenai/c4",
        files={
            "train": "en/c4-train.00000-of-01024.json.gz",
            "validation": "en/c4-validation.00000-of-00008.json.gz",
        },
        column="text",
        joiner=BUILTIN_DATASETS["c4"].joiner,
        draws=True,
        eval_documents=1100,
        eval_windows=256,
    ),
    # The repository itself is a script, which is never run; the hub keeps a conversion of it.
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
