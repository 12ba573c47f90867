"""The command line, ``python -m sb3_isr``."""

from sb3_isr.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
