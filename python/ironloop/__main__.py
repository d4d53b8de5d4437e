"""`python -m ironloop`: runs an unmodified program on ironloop."""

from ironloop.command import main

if __name__ == "__main__":
    main()
