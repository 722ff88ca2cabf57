"""The proof: long tests of what nothing may break. Small here; `make soak` runs them at length."""
