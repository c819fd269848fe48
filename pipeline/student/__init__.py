"""A finished student: its folder, its card, its anchors, and scoring files with it."""
