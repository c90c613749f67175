"""Warnings of submissions that evaluate the pruned model on a text that it is calibrated on."""

from collections.abc import Iterator, Mapping

from db.spec.datasets.files import DataFile
from db.spec.datasets.protocols import built_in
from db.spec.datasets.upload_store import UPLOADED
from db.spec.inputs.bucket_references import S3
from db.spec.inputs.input_name import LOCAL
from db.spec.prune_spec import PruneSpec

ALWAYS_SPLIT = {"wikitext2", "c4", "ptb", "stdlib-docs", "stdlib-code"}
"""The built-in datasets whose evaluation never has a document of their calibration."""
REMEDY = "Leave eval_dataset out, so that a part of dataset is held out, or name another text."


def shared_text_warnings(spec: PruneSpec, files: Mapping[str, DataFile]) -> Iterator[str]:
    """Yield a warning for each calibration text that is the text of ``eval_dataset``, too.

    A text that is only partly the same is found when the job runs, which reports the share.

    Args:
        spec: the job.
        files: the local files of the datasets, keyed by the field that names them.
    """
    texts = {"dataset": spec.text_field, "keep_dataset": spec.keep_text_field}
    for field, text_field in texts.items():
        name: str | None = getattr(spec, field)
        if spec.eval_dataset is None or name is None or text_field != spec.eval_text_field:
            continue
        if field in files and "eval_dataset" in files:
            is_shared = _are_equal(files[field], files["eval_dataset"])
        else:
            is_shared = name == spec.eval_dataset and built_in(name) not in ALWAYS_SPLIT
        if is_shared:
            yield _warning(field, name)


def _are_equal(one: DataFile, other: DataFile) -> bool:
    """Whether two files have the same content, under whatever names."""
    if one.path.stat().st_size != other.path.stat().st_size:
        return False
    return one.path == other.path or one.sha256() == other.sha256()


def _warning(field: str, name: str) -> str:
    is_one_text = name.startswith((LOCAL, UPLOADED, S3, "/")) or built_in(name) is not None
    condition = "" if is_one_text else ", unless it has a split of its own for tests or validation"
    return (
        f"eval_dataset is the text of {field}, which the model is calibrated on{condition}, so the "
        f"pruned model's perplexity may be too good. {REMEDY}"
    )
