"""The memory and time that a recovery takes, computed from shapes."""
