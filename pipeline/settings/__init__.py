"""The configuration of a run: its sections, the presets, and how they become one validated tree."""
