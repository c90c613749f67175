"""Models and datasets from the hub and from local folders."""
