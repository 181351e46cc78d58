"""Taking something back from a finished build."""
