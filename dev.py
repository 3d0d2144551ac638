#!/usr/bin/env python3
"""Sets Backstay up, and runs it. One file, standard library only, any Python from 3.8 on.

    python3 dev.py demo [args]   the whole product on a simulated exchange: no key, no network
    python3 dev.py test [args]   lint, types, import contracts, tests (args go to pytest)
    python3 dev.py setup         only make .venv, or find that nothing changed
    python3 dev.py lock          write the hash-pinned requirements anew from pyproject.toml
    python3 dev.py fmt           mend what the linter can mend, format the code

Set-up finds a Python >= 3.12 (BACKSTAY_PYTHON, PATH, pyenv; else uv is asked for one), makes .venv and
installs the pinned requirements into it. A stamp with a digest of everything that matters makes the next
run skip all of it. pip's own configuration (index, certificates, proxy) is respected and passed on to uv.
"""

import contextlib
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

try:
    import fcntl
except ImportError:  # not a POSIX system; main() says so
    fcntl = None

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
BIN = os.path.join(VENV, "bin")
PYTHON = os.path.join(BIN, "python")
UV = os.path.join(BIN, "uv")
STAMP = os.path.join(VENV, ".backstay-stamp")
LOCK = os.path.join(ROOT, ".venv.lock")
BOOTSTRAP = os.path.join(ROOT, ".bootstrap")  # holds uv while there is no .venv yet
RUNTIME_FILE = "requirements.txt"
DEV_FILE = "requirements-dev.txt"
SCHEME = "1"  # raise it when the steps of set-up change: every stamp is void then
OLDEST = (3, 12)
PREFERRED = ((3, 13), (3, 14), (3, 12))  # 3.13 has been proven longest
SPACE_NEEDED_MB = 1500
PROBE = (
    "import importlib.util as u, sys;"
    "print('%d.%d.%d' % sys.version_info[:3], all(map(u.find_spec, ('venv', 'ensurepip'))))"
)
NO_INDEX = "no package index could be reached"
# What goes wrong, by what installers print: (pattern, what it is, what to do). The first match is told.
TROUBLES = (
    (
        r"No space left|os error 28|ENOSPC",
        "the disk is full",
        f"free about {SPACE_NEEDED_MB} MB and run the same command again",
    ),
    (
        r"[Hh]ash(es)? (mismatch|do(es)? not match)|DO NOT MATCH THE HASHES",
        "a download is not the file that was pinned",
        "do not work around it. Run again; if it stays, your package index serves other files",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer",
        "the package index shows a certificate that this machine does not trust",
        "set PIP_CERT (or SSL_CERT_FILE) to your organisation's certificate bundle",
    ),
    (
        "(?i)dns error|name resolution|name or service not known|nodename nor servname|connection refused|"
        "network is unreachable|max retries exceeded|NewConnectionError|failed to (fetch|download)|timed out|"
        r"client error \(connect\)|error sending request|network connectivity is disabled",
        NO_INDEX,
        "go online for this once (later runs need no network), or set PIP_INDEX_URL to a mirror in reach",
    ),
    (
        r"[Pp]ermission denied|os error 13|EACCES|Read-only file system",
        "a file or folder may not be written",
        "get the right to write in the project's folder and in your cache folder",
    ),
    (
        r"has no wheels? with a matching|[Nn]o matching distribution|not a supported wheel",
        "a pinned package does not exist for this platform or Python",
        "use CPython 3.12 to 3.14 on Linux or macOS (BACKSTAY_PYTHON=/path/to/python names one)",
    ),
)


class Trouble(Exception):
    """What went wrong and what to do about it, for the reader of the terminal."""


def say(text):
    print(f"dev: {text}", file=sys.stderr, flush=True)


# --- decisions, pure ------------------------------------------------------------------------------


def digest(contents, version):
    """Name of a set-up: the same files and the same Python give the same name, nothing else does."""
    total = hashlib.sha256()
    for part in (SCHEME.encode(), version.encode(), *contents):
        total.update(b"%d:" % len(part) + part)
    return total.hexdigest()


def diagnose(output):
    """(what, remedy) for the output of a failed installer, or None when nothing known is in it."""
    return next(((what, remedy) for pattern, what, remedy in TROUBLES if re.search(pattern, output)), None)


def preference(version):
    """Sort key of an interpreter's version, best first; None when it is too old."""
    minor = tuple(version[:2])
    if minor < OLDEST:
        return None
    rank = PREFERRED.index(minor) if minor in PREFERRED else len(PREFERRED)
    return (rank, *(-part for part in version))


def pins(requirements):
    """The blocks `name==version ; marker \\ --hash=...` of a requirements file's text, in order."""
    lines = [line for line in requirements.splitlines() if line.strip() and not line.startswith("#")]
    return re.findall(r"^\S+==(?:.*\\\n)*.*$", "\n".join(lines), re.MULTILINE)


def pin_of(requirements, name):
    """(version, block) of one package in a requirements file's text."""
    for block in pins(requirements):
        found, _, rest = block.partition("==")
        if found == name:
            return re.match(r"[^\s;]+", rest).group(), block
    raise Trouble(f"{DEV_FILE} does not pin {name}.\n  What to do: python3 dev.py lock")


def uv_settings(pip_lines):
    """Environment for uv that says what the lines of `pip config list` say."""
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE", "proxy": "HTTPS_PROXY"}
    settings = {}
    for line in pip_lines:
        key, _, value = line.partition("=")
        name = key.strip().rpartition(".")[2]
        if name in names:
            settings[names[name]] = value.strip().strip("'\"")
    return settings


# --- the machine ----------------------------------------------------------------------------------


def output_of(command):
    """(exit code, what it printed); None for a program that cannot be started or does not answer."""
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.returncode, said.stdout.decode(errors="replace")


def install(step, command, env=None):
    """Run an installer quietly; its output, or Trouble with its last words and a remedy."""
    said = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    text = said.stdout.decode(errors="replace").strip()
    if said.returncode == 0:
        return text
    what, remedy = diagnose(text) or (f"exit code {said.returncode}", "see the lines above")
    tail = "\n".join(f"    {line[:150]}" for line in text.splitlines()[-4:])
    raise Trouble(f"{step}: {what}.\n{tail}\n  What to do: {remedy}.")


def read(name):
    try:
        with open(os.path.join(ROOT, name), "rb") as handle:
            return handle.read()
    except OSError as error:
        raise Trouble(
            f"{name}: {error.strerror}.\n  What to do: run from a complete copy of the project."
        ) from error


@contextlib.contextmanager
def locked():
    """One set-up at a time in this folder; a second one waits for the first."""
    try:
        handle = os.open(LOCK, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise Trouble(
            f"cannot write in {ROOT} ({error.strerror}).\n  What to do: use a folder that you may write in."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another set-up is at work in this folder: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# --- finding Python -------------------------------------------------------------------------------


def candidates():
    """Paths of interpreters worth a look, without starting any."""
    names = ["python{}.{}".format(*minor) for minor in PREFERRED]
    paths = [shutil.which(name) for name in [*names, "python3", "python"]]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    paths += sorted(glob.glob(os.path.join(pyenv, "versions", "3.*", "bin", "python")))
    paths.append(sys.executable)
    unique = {}
    for path in paths:
        if path and not os.path.abspath(path).startswith(VENV + os.sep):
            # a shim decides by the name it is called with which interpreter it starts
            unique.setdefault(path if "shims" in path else os.path.realpath(path), path)
    return list(unique.values())


def version_of(path):
    """((major, minor, micro), whether venv and ensurepip are there); None when it does not run."""
    code, text = output_of([path, "-I", "-c", PROBE]) or (1, "")
    found = re.match(r"(\d+)\.(\d+)\.(\d+) (True|False)", text)
    if code or not found:
        return None
    return tuple(map(int, found.groups()[:3])), found.group(4) == "True"


def find_python():
    """(path of the best interpreter or None, sentences on those that do not fit)."""
    named = os.environ.get("BACKSTAY_PYTHON")
    fitting, unfit = [], []
    for path in [named] if named else candidates():
        version, whole = version_of(path) or ((0, 0, 0), True)
        text = ".".join(map(str, version))
        if not version[0]:
            unfit.append(f"{path} does not run")
        elif preference(version) is None:
            unfit.append(f"{path} is {text}")
        elif not whole:
            package = "python{}.{}-venv".format(*version)
            unfit.append(f"{path} is {text}, without its venv module (Debian: apt-get install {package})")
        else:
            fitting.append((preference(version), path))
    if named and not fitting:
        raise Trouble(f"BACKSTAY_PYTHON: {unfit[0]}.\n  What to do: name a Python >= 3.12, or unset it.")
    return (min(fitting)[1] if fitting else None), unfit


def python_from_uv(unfit):
    """Ask uv (found on PATH, else put into a folder of its own) for an interpreter; its path."""
    say("no Python >= 3.12 here; asking uv for one")
    try:
        uv = shutil.which("uv")
        if uv is None:
            install("uv", [sys.executable, "-m", "venv", "--clear", BOOTSTRAP])
            install_uv(os.path.join(BOOTSTRAP, "bin", "python"))
            uv = os.path.join(BOOTSTRAP, "bin", "uv")
        env = {**uv_environment(sys.executable), "UV_PYTHON_DOWNLOADS": "manual"}
        wanted = "{}.{}".format(*PREFERRED[0])
        install("Python", [uv, "python", "install", "--no-config", wanted], env)
        return install("Python", [uv, "python", "find", "--no-config", "--managed-python", wanted], env)
    except Trouble as trouble:
        seen = "\n".join("    " + line for line in unfit)
        raise Trouble(
            f"no Python >= 3.12 was found, and none could be fetched.\n{seen}\n"
            "  What to do: install one (Debian, Ubuntu: apt-get install python3.13 python3.13-venv;\n"
            "  macOS: brew install python@3.13; anywhere: pyenv install 3.13) and run this again.\n"
            f"  The fetching ended with: {trouble}"
        ) from trouble


# --- set-up ---------------------------------------------------------------------------------------


def version_in_venv():
    """Version of .venv's Python by its own note, without starting it; None when there is no whole .venv."""
    try:
        with open(os.path.join(VENV, "pyvenv.cfg"), encoding="utf-8") as handle:
            found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", handle.read(), re.MULTILINE)
    except OSError:
        return None
    return found.group(1) if found and os.path.exists(PYTHON) else None


def wanted_stamp(version):
    # the folder belongs to it: a .venv that was moved points at its old place
    contents = [read(name) for name in (RUNTIME_FILE, DEV_FILE, "pyproject.toml")]
    return digest([*contents, ROOT.encode()], version)


def is_current():
    version = version_in_venv()
    try:
        with open(STAMP, encoding="utf-8") as handle:
            return version is not None and handle.read().strip() == wanted_stamp(version)
    except OSError:
        return False


def uv_environment(python):
    """The environment for uv: what pip is told here, unless uv itself is told otherwise."""
    _, text = output_of([python, "-m", "pip", "config", "list"]) or (1, "")
    env = {**uv_settings(text.splitlines()), **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    env.pop("VIRTUAL_ENV", None)
    return env


def install_uv(python):
    """Put uv beside `python`, by pip and from the very hash in requirements-dev.txt."""
    _, block = pin_of(read(DEV_FILE).decode(), "uv")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as handle:
        handle.write(block)
        handle.flush()
        install("uv", [*pip, "--require-hashes", "--no-deps", "-r", handle.name])


def make_venv():
    free_mb = shutil.disk_usage(ROOT).free // 2**20
    if free_mb < SPACE_NEEDED_MB:
        raise Trouble(
            f"{free_mb} MB are free in {ROOT}, the set-up needs about {SPACE_NEEDED_MB} MB.\n"
            "  What to do: free some space and run the same command again."
        )
    path, unfit = find_python()
    path = path or python_from_uv(unfit)
    say(f"making .venv with {path}")
    if os.path.isdir(VENV):
        shutil.rmtree(VENV)
    install(".venv", [path, "-m", "venv", VENV])


def install_requirements():
    env = uv_environment(PYTHON)
    base = [UV, "pip", "install", "--quiet", "--python", PYTHON]
    pinned = [*base, "--require-hashes", "-r", RUNTIME_FILE, "-r", DEV_FILE]
    project = [*base, "--no-deps", "--editable", "."]
    try:
        install("requirements", pinned, env)
        install("backstay", project, env)
    except Trouble as trouble:
        if NO_INDEX not in str(trouble):
            raise
        say("no package index answers: trying what is in the cache")
        try:
            install("requirements", [*pinned, "--offline"], env)
            install("backstay", [*project, "--offline"], env)
        except Trouble:
            raise trouble from None


def set_up():
    """Make .venv what the pinned files say; returns at once when it is already."""
    if is_current():
        return
    with locked():
        if is_current():  # whoever held the lock has done it
            return
        began = time.monotonic()
        with contextlib.suppress(FileNotFoundError):
            os.remove(STAMP)
        version = version_in_venv()
        if version is None or preference(tuple(map(int, version.split(".")))) is None:
            make_venv()
        pinned_uv, _ = pin_of(read(DEV_FILE).decode(), "uv")
        if not glob.glob(os.path.join(VENV, "lib", "*", "site-packages", f"uv-{pinned_uv}.dist-info")):
            install_uv(PYTHON)
        say("installing the pinned requirements")
        install_requirements()
        with open(STAMP, "w", encoding="utf-8") as handle:
            handle.write(wanted_stamp(version_in_venv()) + "\n")
        say(f"ready in {time.monotonic() - began:.1f} s")


# --- commands -------------------------------------------------------------------------------------


def demo(arguments):
    set_up()
    program = os.path.join(BIN, "backstay")
    os.execv(program, [program, "demo", *arguments])


def test(arguments):
    """Every step runs; the exit code is that of the first one that failed."""
    set_up()
    spread = [] if any(re.match(r"-n|--num|--pdb", w) for w in arguments) else ["-n2", "--dist=worksteal"]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # dozens of processes start: one compiles for all
    steps = (
        ("lint", ["ruff", "check", "--output-format", "concise", "."]),
        ("types", ["mypy"]),
        ("import contracts", ["lint-imports", "--no-logo"]),
        ("tests", ["pytest", *spread, *arguments]),
    )
    results = []
    for name, command in steps:
        print(f"== {name}: {' '.join(command)}", flush=True)
        began = time.monotonic()
        code = subprocess.call([os.path.join(BIN, command[0]), *command[1:]], cwd=ROOT)
        results.append((name, code, time.monotonic() - began))
    lines = [f"{name:18} {'FAILED' if code else 'ok':6} {seconds:6.1f} s" for name, code, seconds in results]
    print("", *lines, sep="\n")
    return next((code for _, code, _ in results if code), 0)


def lock(_arguments):
    """Write requirements*.txt: every version, every hash, and no address of any index."""
    if not os.path.exists(UV):
        raise Trouble("`lock` needs a .venv that was set up.\n  What to do: python3 dev.py setup")
    resolve = [UV, "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes", "--upgrade"]
    resolve += ["--python", PYTHON, "--python-version", "{}.{}".format(*OLDEST), "--quiet", "--no-header"]
    resolve += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    env = uv_environment(PYTHON)
    with tempfile.TemporaryDirectory() as folder:
        runtime, everything = os.path.join(folder, "runtime.txt"), os.path.join(folder, "everything.txt")
        # what users run is resolved first: no test tool may hold it back
        install("lock", [*resolve, "--output-file", runtime], env)
        extra = ["--extra", "dev", "--constraints", runtime]
        install("lock", [*resolve, *extra, "--output-file", everything], env)
        known = pins(read(runtime).decode())
        added = [block for block in pins(read(everything).decode()) if block not in known]
    for name, blocks, note in ((RUNTIME_FILE, known, ""), (DEV_FILE, added, ": what [dev] adds")):
        with open(os.path.join(ROOT, name), "w", encoding="utf-8") as handle:
            handle.write(f"# Written by `python3 dev.py lock` from pyproject.toml{note}. Do not edit.\n")
            handle.write("\n".join(blocks) + "\n")
        say(f"{name}: {len(blocks)} packages")
    return 0


def setup(_arguments):
    set_up()
    say("set up; the program is .venv/bin/backstay")
    return 0


def fmt(_arguments):
    set_up()
    ruff = os.path.join(BIN, "ruff")
    left = subprocess.call([ruff, "check", "--fix", "--output-format", "concise", "."], cwd=ROOT)
    return subprocess.call([ruff, "format", "."], cwd=ROOT) or left


COMMANDS = {"demo": demo, "test": test, "setup": setup, "lock": lock, "fmt": fmt}


def main(words):
    if not words or words[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0 if words else 2
    if words[0] not in COMMANDS:
        say(f"unknown command {words[0]!r}; there are: {', '.join(COMMANDS)}")
        return 2
    if fcntl is None:
        say("this system is not supported. What to do: use Linux or macOS; on Windows, WSL")
        return 1
    try:
        return COMMANDS[words[0]](words[1:])
    except Trouble as trouble:
        say(str(trouble))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
