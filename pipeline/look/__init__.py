"""Looking at many videos once: what is taken of each, the chain of actor pools, and where the numbers go."""
