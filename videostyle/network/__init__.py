"""The network that has learned the paintings, and the engines that run it."""
