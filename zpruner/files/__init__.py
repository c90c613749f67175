"""Model folders in compact form, and the N:M patterns of stored weights; needs numpy."""
