"""What is a key, and how it is taken out of what is stored."""
