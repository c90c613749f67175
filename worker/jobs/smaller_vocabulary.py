"""The tokens that stay in a job's model, and the text that uses them."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import IdsRow
from db.spec.descriptions.option import UNFIT
from db.spec.options.vocabulary import FIELD, VocabularySpec
from db.spec.prune_spec import PruneSpec
from worker.jobs.resources import Resources
from worker.jobs.windows import dataset_of
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import CONFIG
from worker.sources.encoding import Encoder, Tokenizer
from worker.sources.models import ModelFolder
from worker.sources.rows import ids_file
from worker.sources.texts import load_texts
from worker.sources.tokenizer import load_tokenizer
from worker.vocabulary.bpe import BpeVocabulary
from worker.vocabulary.choice import kept_tokens
from worker.vocabulary.errors import VocabularyError
from worker.vocabulary.model_rows import ModelRows
from worker.vocabulary.token_ids import named_ids

_CONFIGS = (CONFIG, "generation_config.json")


@dataclass(frozen=True)
class SmallerVocabulary:
    """The tokens that stay.

    Attributes:
        tokens: all tokens of the model.
        kept: the ids of those that stay, in ascending order.
        text: the digest and the size of the text that uses them, ready for JSON.
    """

    tokens: BpeVocabulary
    kept: tuple[int, ...]
    text: Mapping[str, Any]

    @property
    def numbers(self) -> dict[int, int]:
        """The new id of each token that stays, by its old one."""
        return {old: new for new, old in enumerate(self.kept)}


def smaller_vocabulary(
    spec: PruneSpec, model: ModelFolder, resources: Resources
) -> SmallerVocabulary | None:
    """Return the tokens that stay in a job's model; None if all do.

    Raises:
        SpecRefusedError: the model's tokenizer is of another kind, or not so many tokens can stay,
            or the text cannot be used.
    """
    if (asked := spec.vocabulary) is None:
        return None
    tokens = checked_vocabulary(asked, model)
    tokenizer = load_tokenizer(model.path, model.name)
    used, text = _used(asked, tokenizer, resources)
    kept = _kept(asked, tokens, used, model, tokenizer)
    return SmallerVocabulary(tokens, tuple(kept), text)


def checked_vocabulary(asked: VocabularySpec, model: ModelFolder) -> BpeVocabulary:
    """Return the tokens of a model, and check the request as far as that needs no text.

    Raises:
        SpecRefusedError: as `smaller_vocabulary`.
    """
    try:
        tokens = BpeVocabulary.read(model.path)
    except VocabularyError as error:
        raise _refused(asked, error) from error
    _kept(asked, tokens, {}, model, None)
    return tokens


def model_rows(asked: VocabularySpec, meta_model: MetaModel) -> ModelRows:
    """Return the rows of a model that belong to tokens.

    Raises:
        SpecRefusedError: the embedding or the head is built in a way that cannot be cut.
    """
    try:
        return ModelRows.of(meta_model)
    except VocabularyError as error:
        raise _refused(asked, error) from error


def _kept(
    asked: VocabularySpec,
    tokens: BpeVocabulary,
    used: Mapping[int, int],
    model: ModelFolder,
    tokenizer: Any,
) -> list[int]:
    fixed = {*_named_in(model.path), *_of_template(tokenizer)}
    try:
        return kept_tokens(tokens, used, fixed, asked.keep)
    except VocabularyError as error:
        raise _refused(asked, error) from error


def _used(
    asked: VocabularySpec, tokenizer: Tokenizer | None, resources: Resources
) -> tuple[Counter[int], dict[str, Any]]:
    """Return how often the text uses each token, and facts about the text."""
    reference = dataset_of(asked.dataset, FIELD, resources, asked.text_field)
    counts: Counter[int] = Counter()
    if file := ids_file(reference, FIELD):
        for row in file.rows():
            if isinstance(row, IdsRow):
                counts.update(row.ids)
        facts = {"dataset_sha256": file.sha256()}
    else:
        encoder = Encoder(tokenizer, None, FIELD, asked.dataset)
        with encoder.chats() as render:
            text = load_texts(reference, "calibration", render, field=FIELD, hold_out=False)
        counts.update(encoder.ids(text.joined).tolist())
        facts = {"dataset_sha256": text.sha256, "split": text.split}
    return counts, {"dataset": asked.dataset, **facts, "tokens": counts.total()}


def _named_in(folder: Path) -> set[int]:
    """Return the token ids that the configs of a model name."""
    files = (folder / name for name in _CONFIGS)
    contents = (json.loads(file.read_text("utf-8")) for file in files if file.is_file())
    return {token for content in contents for token in named_ids(content) if token >= 0}


def _of_template(tokenizer: Any) -> set[int]:
    """Return the tokens of the text of a tokenizer's chat template."""
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        return set()
    templates = template.values() if isinstance(template, dict) else [template]
    encoded = (tokenizer(text, add_special_tokens=False, verbose=False) for text in templates)
    return {token for ids in encoded for token in ids["input_ids"]}


def _refused(asked: VocabularySpec, error: VocabularyError) -> SpecRefusedError:
    value = asked.model_dump(mode="json", exclude_none=True)
    field = f"vocabulary.{error.part}" if error.part else "vocabulary"
    shown = value[error.part] if error.part else value
    return SpecRefusedError(field, shown, UNFIT, error.reason, error.remedy)
