"""What work takes: rates that were measured, and estimates where nothing could be measured."""
