"""Staged rows -> kept posts and comments: judged, cleaned, de-duplicated."""
