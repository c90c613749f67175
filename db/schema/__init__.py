"""The schema of a database: which migration it is at, and how it is upgraded."""
