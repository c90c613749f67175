"""Where models and datasets come from."""
