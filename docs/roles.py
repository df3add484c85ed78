"""Docstrings name other parts as Sphinx does, ``:class:`Predictor` ``; the pages show the name alone, as code. Examples become code too."""

import re

from griffe import Extension

ROLE = re.compile(r":(?:class|meth|func|mod|attr|data):`~?([^`]+)`")


class RolesAsCode(Extension):
    """Rewrites each docstring before it is parsed."""

    def on_instance(self, *, obj, **kwargs):
        if obj.docstring is not None:
            text = ROLE.sub(r"`\1`", obj.docstring.value)
            text = re.sub(r"``([^`]+)``", r"`\1`", text)
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)
