"""`python -m dataset_builder` is the `blift` command."""

import sys

from dataset_builder.cli import main

if __name__ == "__main__":
    sys.exit(main())
