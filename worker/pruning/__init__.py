"""The pure core: tensors in, tensors out. Imports nothing of ours and no service."""
