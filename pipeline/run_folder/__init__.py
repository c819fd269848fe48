"""The run folder: the paths of its files, how they are written, and the resume rule."""
