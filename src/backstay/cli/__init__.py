"""The commands: arguments in, exit codes and human or JSON text out.

Each command is a thin reader or caller of app. No trading rule, no venue knowledge and no file format lives
here.
"""
