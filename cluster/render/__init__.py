"""Cluster files of every provider from one table of machines and one set of sizes, so that they cannot drift apart."""
