"""Arguments that say how a file is changed: they are shown as a difference is."""

SIGNS = {"old_text": "-", "new_text": "+", "content": "+"}
