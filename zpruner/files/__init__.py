"""Model folders, compression of downloads, and the N:M patterns of stored weights; needs numpy."""
