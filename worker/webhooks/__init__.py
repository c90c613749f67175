"""Webhooks on their way out: signed, sent through a guard, noted."""
