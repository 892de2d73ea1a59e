"""Show the interactive examples of docstrings as code: MkDocs reads `>>>` as a quotation."""

import re

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
DIRECTIVE = re.compile(r"[ \t]+# doctest:.*$", re.MULTILINE)


class DocstringExamples(griffe.Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            text = DIRECTIVE.sub("", obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\g<0>\n```", text)
