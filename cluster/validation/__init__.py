"""What is wrong with a cluster file, found without a cloud: keys, types, the rules that no schema sees, and security."""
