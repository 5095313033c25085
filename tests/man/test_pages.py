#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Manual pages and completions are what manual page readers and shells can use, and lack no option.
test_pages.py FOLDER PROGRAM..."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

FOLDER, PROGRAMS = pathlib.Path(sys.argv[1]), [pathlib.Path(p) for p in sys.argv[2:]]
del sys.argv[1:]


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), f"no {tool}")


def output(*command, **how):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **how).stdout


def pages():
    return sorted(FOLDER.glob("*.[17]"))


def options(program):
    """Those that a line of the help begins with: others are only spoken of."""
    begins = re.findall(r"^  ((?:-\w, )?--[^ ]+(?: --[\w-]+)?)", output(program, "--help"), re.MULTILINE)
    return {name for line in begins for name in re.findall(r"--([\w-]+)", line)}


def words_of(program):
    """{option: words}, as the program says them; vu-snd's depend on what it was built with."""
    if program.name not in TAKE_WORDS:
        return {}
    return {option: re.split(", | or ", re.search(r"\(valid: (.*?)\)", output(
        program, f"--{option}=?", "--socket-path=/nonexistent/s")).group(1)) for option in TAKE_WORDS[program.name]}


TAKE_WORDS = {
    "vu-snd": ["playback", "capture", "sandbox", "log-format"],
    "vu-blk": ["backend", "locking"],
    "vu-rng": ["sandbox", "log-format"],
}


class Pages(unittest.TestCase):
    def test_each_program_has_a_page_with_each_of_its_options(self):
        self.assertGreater(len(PROGRAMS), 3)
        for program in PROGRAMS:
            page = (FOLDER / f"{program.name}.1").read_text().replace("\\-", "-")
            for option in options(program):
                with self.subTest(program=program.name, option=option):
                    self.assertIn(f"--{option}", page)

    @needs("groff")
    def test_groff_has_nothing_to_say_of_any_page(self):
        for page in pages():
            self.assertEqual(output("groff", "-man", "-Tutf8", "-ww", "-z", page), "", page.name)

    @needs("mandoc")
    def test_mandoc_finds_no_error_in_any_page(self):
        for page in pages():
            self.assertEqual(output("mandoc", "-Tlint", "-Werror", page), "", page.name)

    @needs("lexgrog")
    def test_each_page_can_be_found_by_what_it_is_about(self):
        for page in pages():
            self.assertRegex(output("lexgrog", page), rf': "{page.stem} - \w')


class Words(unittest.TestCase):
    def test_sound_is_played_by_what_was_built_and_nothing_else(self):
        for program in PROGRAMS:
            if program.name == "vu-snd":
                for option in ("playback", "capture"):
                    words = words_of(program)[option]
                    self.assertEqual(words[0], "null")
                    for word in ("wav", "alsa", "pipewire"):
                        said = output(program, f"--{option}={word}={FOLDER}/none/x", "--socket-path=/nonexistent/s")
                        self.assertEqual("built without" in said, word not in words, said)


class Shells(unittest.TestCase):
    @needs("bash")
    def test_bash_completes_options_and_files(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "a-socket").touch()
            for program in PROGRAMS:
                name = program.name
                script = f"""source {FOLDER / name}; f=_{name.replace("-", "_")}
                    COMP_WORDS=({name} --soc) COMP_CWORD=1; $f; echo "${{COMPREPLY[@]}}"
                    COMP_WORDS=({name} --socket-path = a-) COMP_CWORD=3; $f; echo "${{COMPREPLY[@]}}"
                    COMP_WORDS=({name} --socket-path a) COMP_CWORD=2; $f; echo "${{COMPREPLY[@]}}\""""
                said = output("bash", "--norc", "-c", script, cwd=folder).splitlines()
                with self.subTest(name):
                    if name == "vu-trace":  # its sockets have other names
                        self.assertIn("--socket=", said[0])
                        continue
                    self.assertIn("--socket-path=", said[0])
                    self.assertEqual(said[1:], ["a-socket", "a-socket"])

    @needs("bash")
    def test_bash_completes_the_words_that_an_option_takes(self):
        for program in PROGRAMS:
            for option, words in words_of(program).items():
                script = f"""source {FOLDER / program.name}; f=_{program.name.replace("-", "_")}
                    COMP_WORDS=({program.name} --{option} =) COMP_CWORD=2; $f; echo "${{COMPREPLY[@]}}"
                    COMP_WORDS=({program.name} --{option} = {words[-1][:2]}) COMP_CWORD=3; $f; echo "${{COMPREPLY[@]}}\""""
                with self.subTest(program=program.name, option=option):
                    said = output("bash", "--norc", "-c", script).splitlines()
                    self.assertEqual(said[0].split(), words)
                    self.assertIn(words[-1], said[1].split())

    @needs("fish")
    def test_fish_completes_the_words_that_an_option_takes(self):
        for program in PROGRAMS:
            for option, words in words_of(program).items():
                said = output("fish", "--no-config", "-c", f"source {FOLDER / program.name}.fish; "
                              f"complete -C '{program.name} --{option}='")
                with self.subTest(program=program.name, option=option):
                    self.assertEqual(set(words) - set(re.findall(rf"^--{option}=([\w.-]+)", said, re.MULTILINE)), set())

    def test_zsh_has_the_words_that_an_option_takes(self):
        for program in PROGRAMS:
            text = (FOLDER / f"_{program.name}").read_text()
            for option, words in words_of(program).items():
                with self.subTest(program=program.name, option=option):
                    self.assertRegex(text, rf"--{option}=\[.*:\({' '.join(words)}\)'")

    @needs("fish")
    def test_fish_completes_options(self):
        for program in PROGRAMS:
            said = output("fish", "--no-config", "-c", f"source {FOLDER / program.name}.fish; "
                          f"complete -C '{program.name} --'")
            found = set(re.findall(r"^--([\w-]+)", said, re.MULTILINE))
            self.assertEqual(options(program) - found, set(), program.name)

    @needs("zsh")
    def test_zsh_can_read_its_functions(self):
        for program in PROGRAMS:
            path = FOLDER / f"_{program.name}"
            self.assertEqual(output("zsh", "-n", path), "")
            self.assertTrue(path.read_text().startswith(f"#compdef {program.name}\n"))


if __name__ == "__main__":
    unittest.main()
