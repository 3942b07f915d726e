"""Mixing of images and their supervision, on the device, with explicit random numbers."""
