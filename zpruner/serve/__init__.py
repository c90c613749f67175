"""`zpruner serve`, which runs the whole service on one machine, and `zpruner doctor`."""
