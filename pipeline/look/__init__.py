"""A look: one pass over many videos. Its settings, its chain of actor pools, and the storage of its results."""
