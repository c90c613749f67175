"""The sizes of what a recovery holds at a time."""

ADAPTER_RANK = 16
"""Rank of the adapters of ``mask_lora``, and rows of those of ``spp``."""

CHUNK_TOKENS = {"cpu": 32_768, "cuda": 131_072}
"""Tokens that run through the dense model together; it is read once for each chunk."""

FORWARD_TOKENS = {"cpu": 512, "cuda": 16_384}
"""Tokens of a batch that runs through one block, as in a sweep."""

LOGITS_BYTES = {"cpu": 16 << 20, "cuda": 256 << 20}
"""Size of the fp32 logits that are computed at a time."""

TOP = 512
"""The most likely tokens whose probabilities are kept for each predicted one."""


def top_count(vocabulary: int) -> int:
    """Return how many tokens' probabilities are kept; at least one is among the others."""
    return min(TOP, vocabulary - 1)
