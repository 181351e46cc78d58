"""A post, its comments and annotations -> one sample with its turns."""
