"""The kinds of recovery: what of a matrix is trained, and how its weights follow from that."""
