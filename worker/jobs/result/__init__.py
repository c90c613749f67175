"""The result of a job: its folder's weights, patterns and warnings."""
