"""What a user can get wrong, told in one line.

The text of each error names the value, what is allowed and the fix; a command prints
it as it stands and ends with status 2.
"""


class UserError(Exception):
    """Something outside the program must be mended: an option, a file, a setting."""


class DataError(UserError):
    """A data file is missing, unreadable, or not the file that the lessons use."""


class OutputError(UserError):
    """A result cannot be written or shown where the user asked for it."""


def refuse_backend(name: str) -> None:
    """Refuse to go on where Keras runs on something else than TensorFlow.

    Raises
    ------
    UserError
        If `name` is another backend's.
    """
    if name != "tensorflow":
        told = f"Keras runs on {name!r} here, but the loops need TensorFlow"
        raise UserError(f"{told}: set KERAS_BACKEND to 'tensorflow', or unset it")
