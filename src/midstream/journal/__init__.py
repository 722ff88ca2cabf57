"""Sessions: append-only records, and the conversation as a fold over them."""
