"""What goes wrong in the library, as exceptions: of octile.Error, and of the built-in class that fits."""


class Error(Exception):
    """Everything that the library refuses; by itself, a defect of Octile."""


class ArgumentError(Error, ValueError):
    """A shape, option or field that can never be right."""


class ParseError(Error, ValueError):
    """A file or text that is not what its format says; the message names file, line or field."""


class FileError(Error, OSError):
    """A file that cannot be read or written."""


class NonFiniteError(Error, ValueError):
    """NaN or infinity where a number is needed, or beyond float16's largest; the message names row or output channel."""


class UnsupportedError(Error, RuntimeError):
    """This CPU, or this build, has no kernel for the request."""


class PlanWarning(UserWarning):
    """What octile plan notes: a pattern that decided no layer, a file that is not wholly read."""
