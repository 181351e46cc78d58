"""The Hub as publishing needs it: a remote one through its client, or a folder."""
