"""Protocols of published result tables: which list, crop, evaluation and network a score is of."""
