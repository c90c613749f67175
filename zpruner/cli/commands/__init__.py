"""The commands of the command line; each module holds one group of them."""
