"""The distortion simulators: `table` lists them, `apply` makes a copy."""
