"""Parts of ``train_chain.py``: the chain file, its plan, processes, progress, the ensemble."""
