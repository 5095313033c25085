#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Manual pages and completions of shells, from what a program's --help says: that is printed from the
program's table of options, so there is one source.

pages.py VERSION PROGRAM MAN BASH ZSH FISH: the last four are the files to write.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

OPTION = re.compile(r"  (?:(-\w), )?--([\w-]+)(?:=(\S+))?(?:, --([\w-]+))?(?:  +(.*))?$")
# What an argument of these names is, whatever comes behind.
FILES = re.compile(r"(PATH|FILE|DIR|IMAGE|SOCKET)\b")
# How a program says which words an option takes; other options have ranges and forms there.
WORDS = re.compile(r"\(valid: ((?:[\w.-]+, )*[\w.-]+ or [\w.-]+)\)")
OF_THE_LIBRARY = "Options of every libvu program"


class Option:
    def __init__(self, short, name, argument, text):
        self.short, self.name, self.argument, self.text = short, name, argument, text
        self.words = []

    @property
    def takes_file(self):
        return bool(self.argument and FILES.match(self.argument))


class Help:
    """The parts of a program's --help."""

    def __init__(self, text):
        self.usage, self.summary, self.sections, self.rest = [], [], [("", [])], []
        for line in text.splitlines():
            self.take(line)

    def take(self, line):
        if line.startswith("Usage: ") or line.startswith("       ") and not self.summary:
            self.usage.append(line[7:])
        elif line.startswith("  ") and not line.startswith("   "):
            self.take_option(line)
        elif line.startswith("   ") and self.sections[-1][1]:
            self.sections[-1][1][-1].text += " " + line.strip()
        elif line.endswith(":"):
            self.sections.append((line[:-1], []))
        elif line:
            (self.rest if self.options() else self.summary).append(line)

    def take_option(self, line):
        found = OPTION.match(line)
        if not found:
            raise SystemExit(f"pages.py: no option: {line!r}")
        short, name, argument, second, text = found.groups()
        # "--help, --version" and the like stand together
        for each in filter(None, (name, second)):
            self.sections[-1][1].append(Option(short, each, argument, text or KNOWN.get(each, "")))

    def options(self):
        return [option for _, options in self.sections for option in options]


def ask_for_words(program, said):
    """What may stand behind "=": a program says so of a value that it does not take.  Which words there are may depend
    on how it was built."""
    if OF_THE_LIBRARY not in (title for title, _ in said.sections):
        return
    with tempfile.TemporaryDirectory() as folder:
        for option in said.options():
            if option.argument and not option.takes_file:
                # Where it takes "?", it ends for want of a place to listen, or of an option that is required.
                answer = subprocess.run([program, f"--{option.name}=?", f"--socket-path={folder}/none/s"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        cwd=folder, text=True, check=False, timeout=300)
                found = WORDS.search(answer.stderr)
                option.words = re.split(r", | or ", found.group(1)) if found else []


KNOWN = {"help": "print a summary of the options", "version": "print the version"}


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def man(program, version, said):
    yield f'.TH {program.upper()} 1 "" "libvu {version}" "libvu"'
    # what it does, on one line, as indices want it
    yield f".SH NAME\n{roff(program)} \\- {roff(said.summary[0].rstrip('.'))}"
    yield ".SH SYNOPSIS"
    for line in said.usage:
        yield f".B {roff(line)}\n.br"
    yield ".SH DESCRIPTION"
    yield from map(roff, said.summary)
    yield ".SH OPTIONS"
    for title, options in said.sections:
        if title:
            yield f".SS {roff(title)}"
        for option in options:
            short = f"\\fB{roff(option.short)}\\fR, " if option.short else ""
            argument = f"=\\fI{roff(option.argument)}\\fR" if option.argument else ""
            yield f".TP\n{short}\\fB\\-\\-{roff(option.name)}\\fR{argument}\n{roff(option.text)}"
    if said.rest:
        yield ".SH NOTES"
        for line in said.rest:
            yield roff(line) + ("\n.PP" if line.endswith(".") else "")
    yield ".SH SEE ALSO\n.BR libvu (7),\n.BR libvu\\-programs (7)"


def bash(program, _, said):
    function = "_" + program.replace("-", "_")
    names = " ".join(f"--{o.name}{'=' if o.argument else ''}" for o in said.options())
    files = "|".join(f"--{o.name}" for o in said.options() if o.takes_file)
    yield f"# bash completion for {program}, written by docs/man/pages.py"
    yield f"{function}()\n{{"
    yield "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}"
    yield "\t# readline takes = for a word of its own"
    yield "\tif [ \"$cur\" = = ]; then cur=; elif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi"
    if files:
        yield f"\tcase $prev in {files})"
        yield "\t\tcompopt -o filenames 2>/dev/null"
        yield "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\t\treturn ;;\n\tesac"
    with_words = [o for o in said.options() if o.words]
    if with_words:
        yield "\tcase $prev in"
        for o in with_words:
            yield f"\t--{o.name}) mapfile -t COMPREPLY < <(compgen -W '{' '.join(o.words)}' -- \"$cur\"); return ;;"
        yield "\tesac"
    yield f"\tmapfile -t COMPREPLY < <(compgen -W '{names}' -- \"$cur\")"
    yield "\t[ \"${#COMPREPLY[@]}\" != 1 ] || case ${COMPREPLY[0]} in *=) compopt -o nospace 2>/dev/null ;; esac"
    yield f"}}\ncomplete -F {function} {program}"


def quoted(text):
    return text.replace("'", "'\\''")


def zsh(program, _, said):
    yield f"#compdef {program}\n# written by docs/man/pages.py\n_arguments \\"
    for option in said.options():
        text = re.sub(r"([\[\]:])", r"\\\1", option.text)
        takes = "_files" if option.takes_file else f"({' '.join(option.words)})" if option.words else ""
        argument = f"=:{option.argument}:{takes}" if option.argument else ""
        if argument:
            text, argument = f"=[{text}]", argument[1:]
        else:
            text = f"[{text}]"
        yield f"\t'*--{option.name}{quoted(text)}{quoted(argument)}' \\"
    yield "\t'*:file:_files'"


def fish(program, _, said):
    yield f"# fish completion for {program}, written by docs/man/pages.py"
    yield f"complete -c {program} -f"
    for option in said.options():
        kind = " -r -F" if option.takes_file else " -x" if option.argument else ""
        if option.words:
            kind += f" -a '{' '.join(option.words)}'"
        text = option.text.replace("\\", "\\\\").replace("'", "\\'")
        yield f"complete -c {program} -l {option.name}{kind} -d '{text}'"


def main(version, path, *files):
    # an absolute one: without a slash it would be looked for elsewhere
    path = pathlib.Path(path).absolute()
    said = Help(subprocess.run([path, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    ask_for_words(path, said)
    for writer, file in zip((man, bash, zsh, fish), files, strict=True):
        pathlib.Path(file).write_text("".join(part + "\n" for part in writer(path.name, version, said)))


if __name__ == "__main__":
    main(*sys.argv[1:])
