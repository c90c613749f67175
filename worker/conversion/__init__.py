"""Converting model folders to GGUF files with llama.cpp's converter, in a process of its own."""
