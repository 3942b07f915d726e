"""From the output of a teacher to supervision for a student."""
