"""The pruning core. It imports no other package of this project, and needs no service."""
