"""Second stage: keyframes become the look of every moment."""
