"""The specification of a job, and the methods, models and datasets that it can name."""
