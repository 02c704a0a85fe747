"""First stage: a file becomes frames, upright, at their times."""
