"""Self-contained HTML pages: templates that escape all texts, and a policy by which a browser loads nothing."""

import base64
import hashlib
from collections.abc import Callable
from importlib import resources

import jinja2
from markupsafe import Markup


def template(package: str, name: str, **filters: Callable[..., str]) -> jinja2.Template:
    """Return the template `name` of a package, with filters of its own.

    It escapes all values except `Markup`, and raises an error for undefined ones.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.filters |= {"number": "{:,}".format, **filters}
    return environment.get_template(name)


def asset(package: str, name: str) -> Markup:
    """Return a style sheet or script of a package, to be embedded as it is."""
    return Markup((resources.files(package) / name).read_text("utf-8"))


def content_policy(*, style: str, script: str = "", pictures: bool = False) -> str:
    """Return a content security policy that allows only the page's own style and script, and loads nothing.

    Args:
        style: content of the page's style element.
        script: content of its script element; empty for a page without scripts.
        pictures: whether the page embeds pictures, as `data:` URIs.
    """
    allowed = [
        "default-src 'none'",
        f"style-src {_source(style)}",
        *([f"script-src {_source(script)}"] if script else []),
        *(["img-src data:"] if pictures else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(allowed)


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
