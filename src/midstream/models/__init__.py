"""The things that can be asked."""
