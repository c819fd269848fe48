"""The run folder: where its files lie, how they are written, and the resume rule."""
