"""Everything that opens untrusted media, in a limited child process."""
