"""A conversation on a terminal: what is final is printed once, what is not is drawn again."""
