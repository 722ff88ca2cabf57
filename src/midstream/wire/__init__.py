"""Bytes to records, and JSON read strictly: no I/O, no clock."""
