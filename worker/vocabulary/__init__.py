"""Removing tokens from a model: from its tokenizer, its embedding and its head."""
