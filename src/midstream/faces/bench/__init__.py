"""What `midstream bench` measures: of one request, of all, as a table and as a picture."""
