"""The pruning core. It imports nothing else of this project, and runs without the service."""
