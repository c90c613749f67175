"""The rendering of templates, which are programs, in processes with limits."""
