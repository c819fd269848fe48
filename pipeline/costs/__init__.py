"""Costs of the work: measured rates, and estimates where no measurement was possible."""
