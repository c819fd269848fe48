"""The steps of a run, one file each; `pipeline.loop` lists them in order."""
