"""The kinds of recovery: which parameters are trained, and how a matrix is computed from them."""
