"""`python -m backstay`: the same program as `backstay`."""

from backstay.cli.main import main

if __name__ == "__main__":
    main()
