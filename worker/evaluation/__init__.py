"""Measuring the loss and perplexity of models."""
