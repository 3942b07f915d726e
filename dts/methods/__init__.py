"""Methods: what is learned, in one readable ``loss`` each."""
