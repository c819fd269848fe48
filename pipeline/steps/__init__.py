"""The steps of a run, one file each; `pipeline.loop` says in which order they come."""
