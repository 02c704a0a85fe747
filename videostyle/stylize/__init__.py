"""Third stage: a frame and its look become the painted frame."""
