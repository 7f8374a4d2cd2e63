"""`python -m midcourse` is the same as `midcourse`."""

from midcourse.cli import main

if __name__ == "__main__":
    main()
