"""`python -m automl_img` is the command line."""

from automl_img.cli import main

if __name__ == "__main__":
    main()
