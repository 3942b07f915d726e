"""Losses on class scores: pure functions and the modules that configs build."""
