"""Binarisation: keeping some weights of each row, which take two values in each group."""
