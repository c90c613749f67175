"""Perplexity of the demo's model by method and pattern, and after training."""
