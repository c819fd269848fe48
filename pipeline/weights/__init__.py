"""Released weights: one table of what there is, where it is from and how it may be used; fetching and checking."""
