"""Hooks: when teachers move, how a run stays reproducible, and what is written."""
