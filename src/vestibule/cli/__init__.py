"""The command line: ``vestibule demo`` and its siblings.

Owns arguments, output and exit statuses, and no rule of its own. May import everything else.
"""
