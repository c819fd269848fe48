"""The networks of the published quality models, with the parameter names of their released checkpoints.

`swin`, `swin3d`, `swin2d` and `convnext3d` are building blocks; `fastvqa`, `dover`, `minimalistic` and `qalign`
are the models with their published score; `weights` reads their files. What each model is shown of a video is in
`actors.media.network_views`. Every network is written for evaluation: dropout and stochastic depth, which do nothing there,
are left out.
"""
