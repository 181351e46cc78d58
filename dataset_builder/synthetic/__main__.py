"""`python -m dataset_builder.synthetic` writes synthetic dumps."""

import sys

from dataset_builder.synthetic.dumps import main

if __name__ == "__main__":
    sys.exit(main())
