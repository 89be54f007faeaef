"""Names of the encodings of text files, as users configure them."""

from clism_core.utils.errors import InputError


def check_encoding_name(encoding: str, *, title: str) -> None:
    """Raise `InputError` if Python does not know a text encoding; codecs of bytes, such as base64, are none.

    Args:
        encoding: name of the encoding.
        title: description of the file or corpus, with which the message begins.
    """
    try:
        "\n".encode(encoding)
    except (LookupError, ValueError) as error:
        raise InputError(f"{title}: encoding {encoding!r} is unknown; give one such as utf-8 or cp1252") from error
