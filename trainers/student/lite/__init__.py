"""The small student: a frozen ImageNet encoder, statistics of its features, and a trained ordinal head."""
