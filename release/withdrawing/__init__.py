"""Take items out of every published revision, and see what still serves them."""
