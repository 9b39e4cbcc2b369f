"""`python -m credenza`."""

import sys

from credenza.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
