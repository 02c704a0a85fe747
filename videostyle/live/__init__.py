"""The live page: a browser mixes paintings on moving video, and the moves become keyframes.

`player` paints in a thread of its own, `performance` turns moves into a timeline, `session` holds
what all tabs share, `server` speaks HTTP and WebSocket, `page/` is what the browser runs.
"""
