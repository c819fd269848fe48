"""The networks of the published quality models, with the parameter names of their released checkpoints.

`swin`, `swin3d`, `swin2d` and `convnext3d` are building blocks; `fastvqa`, `dover`, `minimalistic` and `qalign`
are the models with their published score; `weights` reads their files. The views of a video that each model takes
are in `actors.media.network_views`. All networks are for evaluation only: dropout and stochastic depth are left out.
"""
