"""One response: assembled, its calls sealed, whole or not; when to ask again; what it cost."""
