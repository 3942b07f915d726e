"""Parts of ``benchmark_step.py``: the floors, the interleaved loop, side measurements, the text."""
