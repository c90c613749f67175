"""`zpruner prune`: the engine without a service."""
