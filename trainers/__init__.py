"""The student and its training: network, loss, batches, DeepSpeed, Ray Train, Ray Tune."""
