"""What a file, a frame and its colours are."""
