"""The sizes of the data that a recovery holds in memory at a time."""

ADAPTER_RANK = 16
"""Rank of ``mask_lora`` adapters; number of rows of A in ``spp`` adapters."""

CHUNK_TOKENS = {"cpu": 32_768, "cuda": 131_072}
"""Number of tokens in a chunk; the dense model is read once for each chunk."""

FORWARD_TOKENS = {"cpu": 512, "cuda": 16_384}
"""Number of tokens that run through a block at a time, as in a sweep."""

LOGITS_BYTES = {"cpu": 16 << 20, "cuda": 256 << 20}
"""Maximum size of the fp32 logits that are computed at a time."""

TOP = 512
"""Maximum number of tokens, the most likely ones, whose probabilities a prediction keeps."""

TARGET_BYTES = 6
"""Stored bytes of one of these probabilities: an index and a logarithm."""

STATE_BYTES = 12
"""Stored bytes of a trained number in the files of a state: itself and two moments, in fp32."""

MEASUREMENTS, SAVES = 10, 20
"""How often the held-out loss is measured in the whole training, and how often a state is saved."""


def top_count(vocabulary: int) -> int:
    """Return how many tokens' probabilities a prediction keeps, always fewer than all."""
    return min(TOP, vocabulary - 1)
