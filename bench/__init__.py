"""Benchmarks that ship with podhand."""
