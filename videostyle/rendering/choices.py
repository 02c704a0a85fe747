"""What `render` may be asked to do, in words."""

HDR = ("refuse", "tonemap", "pass")
HWACCEL = ("none", "cuda")
BARS = ("auto", "none")
