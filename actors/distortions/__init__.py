"""The distortion simulators: `table` says what they are, `apply` makes a copy."""
