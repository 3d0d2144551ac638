"""Running a command in this process."""

from backstay.cli.main import execute


def run(capsys, *arguments):
    code = execute(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err
