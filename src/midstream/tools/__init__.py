"""What the model may call, and running it."""
