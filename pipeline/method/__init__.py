"""The mathematics of weak-to-strong video quality assessment (CVPR 2026); NumPy and SciPy only."""
