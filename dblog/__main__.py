"""``python -m dblog`` is ``dblog``: for where the commands of an environment are not on the path."""

from dblog.cli import main

if __name__ == "__main__":
    main()
