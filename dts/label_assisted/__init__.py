"""Labels as an input of a network: their codes, and the stem that takes them."""
