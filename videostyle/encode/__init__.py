"""Last stage: painted frames become a file."""
