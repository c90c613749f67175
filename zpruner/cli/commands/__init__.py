"""The commands, one module per kind."""
