"""Numbers of training that the commands' help names too, which must not load PyTorch."""

# Shorter side, in pixels, at which a painting's Gram matrices are taken.
PAINTING_SIZE = 448
# Updates that teach a trained network one more painting.
ROW_STEPS = 400
