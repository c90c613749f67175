"""Several processes that share one sweep or one recovery."""
