"""Files on disk and the rows that name them: artifacts, uploads, download links."""
