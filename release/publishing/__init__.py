"""One release, one commit: the protocol that leaves `main` entirely old or entirely new."""
