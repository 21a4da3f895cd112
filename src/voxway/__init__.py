"""voxway: one WebSocket to every voice and every recognizer."""

__version__ = "0.1.0"
