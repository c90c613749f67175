"""Several processes that share one sweep."""
