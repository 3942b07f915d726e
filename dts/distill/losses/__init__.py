"""Distances between a map of the student and the teacher's, under one mask convention."""
