"""The sweep: calibrate, prune, propagate, evaluate and write, block by block."""
