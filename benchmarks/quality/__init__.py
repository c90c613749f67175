"""Perplexity of the demo's model by method and pattern, and the effect and time of training."""
