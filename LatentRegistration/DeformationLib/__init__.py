"""The backend that all modules of LatentMotion stand on: images, fields, losses, metrics, training; free of Slicer."""

__version__ = "0.1.0"
