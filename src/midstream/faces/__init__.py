"""Showing a run: what a person, or a program, sees of its events."""
