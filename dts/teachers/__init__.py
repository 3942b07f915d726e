"""Teachers and how their weights move."""
