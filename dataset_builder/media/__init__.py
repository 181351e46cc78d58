"""Media files of kept posts: found, examined, judged, de-duplicated."""
