"""``zpruner prune``: the pruning engine without a service."""
