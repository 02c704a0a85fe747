"""Training: imported when a command or the live page needs it, never by a render."""
