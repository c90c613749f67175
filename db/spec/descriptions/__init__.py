"""The description of an option of a job: its checks, its places, its part of the result."""
