"""The job specification, and the catalogue of all that it can name."""
