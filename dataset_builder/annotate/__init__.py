"""Media -> captions, colours, tags, speech, text."""
