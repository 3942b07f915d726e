"""Data sets, streams of samples, and the views made of them."""
