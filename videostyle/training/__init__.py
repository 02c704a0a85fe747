"""Training: only the commands `train`, `add-style` and `evaluate` import this folder."""
