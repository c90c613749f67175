"""`zpruner serve`: the whole service on one machine."""
