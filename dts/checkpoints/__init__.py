"""Checkpoint files: written in one piece, plain inside, checked before they are used."""
