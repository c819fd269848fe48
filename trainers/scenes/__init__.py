"""Statistics of natural scenes, which classical teachers and the small student look at: NumPy and OpenCV, no torch."""
