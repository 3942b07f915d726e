"""Metrics, evaluation loops and what they write."""
