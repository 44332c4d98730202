"""`python -m ledger` is `pbledger`."""

from ledger.cli import main

if __name__ == "__main__":
    main()
