"""Reading and writing checkpoints, and running parts of a model."""
