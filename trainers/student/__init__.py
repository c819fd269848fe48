"""The students: `table` names them, `base` is their contract, one folder below holds each kind."""
