"""`python -m midstream` is the command `midstream`."""

from midstream.cli import main

if __name__ == "__main__":
    main()
