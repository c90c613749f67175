"""What an option of a job says of itself: its checks, its places, its part of the result."""
