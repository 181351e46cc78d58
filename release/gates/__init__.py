"""What must hold of the bytes that leave; each refusal names file, cause and remedy."""
