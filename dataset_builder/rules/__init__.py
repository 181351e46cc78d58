"""The paper's rules, and their order."""
