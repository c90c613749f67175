"""What a sweep will take of memory and time, before it starts."""
