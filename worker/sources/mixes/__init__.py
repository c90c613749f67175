"""The windows of mixes of texts."""
