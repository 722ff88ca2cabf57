"""Ask, run tools while the answer streams, ask again; stop, steer, limit."""
