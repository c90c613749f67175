"""Problem documents: the catalogue of their kinds, and how errors become responses."""
