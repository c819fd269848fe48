"""The report of a run: one HTML page with its charts, and the same data as JSON."""
