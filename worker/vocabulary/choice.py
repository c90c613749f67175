"""The choice of the tokens that stay."""

from collections.abc import Iterable, Mapping

from worker.vocabulary.bpe import BpeVocabulary
from worker.vocabulary.errors import VocabularyError


def kept_tokens(
    vocabulary: BpeVocabulary, used: Mapping[int, int], fixed: Iterable[int], keep: int | None
) -> list[int]:
    """Return the ids of the tokens that stay, in ascending order.

    With each token stay all tokens that it is merged from. Tokens that are used equally often, and
    those that fill up ``keep``, stay in the order of their ids, in which they were merged when the
    tokenizer was trained.

    Args:
        vocabulary: the tokens of the model.
        used: how often a text uses a token, by its id.
        fixed: further ids that stay, beside those of bytes and special tokens.
        keep: how many tokens stay; None for those that the text uses.

    Raises:
        VocabularyError: ``keep`` is more than there are, or fewer than must stay; or the text uses
            an id that no token has.
    """
    if foreign := used.keys() - vocabulary.ids:
        reason = f"its id {min(foreign)} is that of no token of the model"
        remedy = "Encode the text with the model's own tokenizer."
        raise VocabularyError(reason, remedy, "dataset")
    kept = vocabulary.with_parents({*vocabulary.fixed, *fixed})
    if keep is None:
        return sorted(kept | vocabulary.with_parents(used, kept))
    total = len(vocabulary.ids | kept)
    if keep > total:
        reason = f"the model has {total:,} tokens"
        raise VocabularyError(reason, f"Set keep to {total} or less.", "keep")
    if keep < len(kept):
        reason = (
            f"{len(kept):,} tokens have to stay: bytes, special tokens, those of the chat template "
            "and those that they are merged from"
        )
        raise VocabularyError(reason, f"Set keep to {len(kept)} or more.", "keep")
    for token in sorted(vocabulary.ids, key=lambda token: (-used.get(token, 0), token)):
        if len(kept) == keep:
            break
        added = vocabulary.with_parents([token], kept)
        if len(kept) + len(added) <= keep:
            kept |= added
    return sorted(kept)
