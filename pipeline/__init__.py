"""What is computed and in which order: records, configuration, the run folder, the method and its steps."""
