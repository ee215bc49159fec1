"""TELL: a report in, text out. Renderers know no rule by name; the writer of reports alone touches the disk."""
