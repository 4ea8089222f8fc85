"""``python -m photoplay``."""

from photoplay.cli import main

if __name__ == "__main__":
    main()
