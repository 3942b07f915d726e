"""Parts of ``run_table.py``: the table file, its runs, their statistics, and the text."""
