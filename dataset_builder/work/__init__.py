"""The build folder on disk: its files, tables and locks."""
