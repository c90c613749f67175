"""The job specification, and the methods, models and datasets that it can name."""
