"""Command lines as a shell reads them: held against the shells that are here."""

import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midstream.tools.shell import LONGEST, commands, plain_words, runs

PLAIN = [
    ("git status", ["git", "status"]),
    ("  git\t status ", ["git", "status"]),
    ("git -m 'a; b && $(c) `d`\ne'", ["git", "-m", "a; b && $(c) `d`\ne"]),
    ('git -m "a; b | c > d & e (f)"', ["git", "-m", "a; b | c > d & e (f)"]),
    (r'echo "\"\\\$\`\x"', ["echo", r'"\$`\x']),
    (r"echo a\ b \; \$x", ["echo", "a b", ";", "$x"]),
    ("echo 'a'\"b\"c", ["echo", "abc"]),
    ("echo '' \"\"", ["echo", "", ""]),
    ("echo a#b ''#c", ["echo", "a#b", "#c"]),
    ("grep -r x=y *.py ~/a", ["grep", "-r", "x=y", "*.py", "~/a"]),
]


@pytest.mark.parametrize(("line", "words"), PLAIN)
def test_the_words_of_a_plain_command(line: str, words: list[str]) -> None:
    assert plain_words(line) == tuple(words)


MORE_THAN_ONE = [
    "git status; rm -rf ~", "git status;rm -rf ~", "git status && rm x", "git status || rm x",
    "git status & rm x", "git status &", "git status | sh", "git status |& sh",
    "git status\nrm x", "git status\r\nrm x", "git status\rrm x",
    "git status > x", "git status >x", "git status 2>&1", "git status >> ~/.bashrc",
    "git status < x", "git status <<< x", "git status <(rm x)", "git status >(rm x)",
    "git status $(rm x)", "git status `rm x`", 'git status "$(rm x)"', 'git status "`rm x`"',
    "git status $((a[$(rm x)]))", "git status ${x:=y}", "git status ${x@P}", "git status $x",
    'git status "$x"', "git status $'\\x3b'", 'git status $"x"',
    "(git status)", "{ git status; }", "! git status", "time git status", "if git status",
    "PAGER=sh git status", "A=1 B=2 git status", "A+=1 git status", "a[0]=1 git status",
    "git() { rm x; }", "git status 'x", 'git status "x', "git status x\\", 'git status "x\\"',
    "git status # x", "# git status", "git status \x00", "git status \x1b[2K", "git status \x0b rm",
    "git status\u00a0rm", "git\u2028status", "git status\x85rm", "git status \\\nrm", "", "   ",
    "''", "'' git status", "git status '\x1b[2K'",
]  # fmt: skip


@pytest.mark.parametrize("line", MORE_THAN_ONE)
def test_what_could_run_anything_else_is_no_plain_command(line: str) -> None:
    assert plain_words(line) is None


def test_a_line_that_is_too_long_is_no_plain_command() -> None:
    assert plain_words(f"echo {'x' * LONGEST}") is None
    assert runs(f"echo {'x' * LONGEST}", ("rm",))


SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
LINES = st.text("abx=-#!~{}[]*? \t\n\r'\"\\;&|<>()$`\x00\x0b\u00a0\u2028é", max_size=12)


@pytest.mark.parametrize("shell", SHELLS)
@given(line=LINES)
@example(line="a\\\tb")
@example(line="a '\n' \"\\\n\"")
@example(line="a \"\\'\" '\\'")
@example(line="a\u00a0b")
@example(line="a ''#b")
def test_the_words_are_those_that_a_shell_makes_of_it(
    shell: str, line: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if (words := plain_words(line)) is None or "~" in line:
        return
    # Files' names and braces are expanded to further words, which may be anything in any case.
    literal = "set -f; set +B 2>/dev/null || :; " if shell == "bash" else "set -f; "
    script = f"{literal}printf '%s\\0' {line}"
    where = tmp_path_factory.getbasetemp()
    done = subprocess.run([shell, "-c", script], capture_output=True, cwd=where, timeout=20)
    assert done.stdout.decode().split("\0")[:-1] == list(words)
    assert done.returncode == 0


PUSHES = [
    "git push", "git  push origin", "git -C x push", "git --no-pager -c a=b push", "git 'push'",
    "g\\it push", "g'i't push", "/usr/bin/git push", "git >x push", ">x git push", "2>&1 git push",
    "A=b git push", "git \\\npush", "git${IFS}push", "git$IFS push",
    "true; git push", "true;git push", "true && git push", "false || git push", "true & git push",
    "true | git push", "true\ngit push", "(git push)", "{ git push; }", "! git push",
    "echo $(git push)", 'echo "$(git push)"', "echo `git push`", 'echo "a `git push`"',
    "cat <(git push)", "echo ${x:-$(git push)}", "echo $((1 + $(git push)))",
    "if true; then git push; fi", "for x in a; do git push; done", "case x in x) git push;; esac",
    "f() { git push; }", "sh -c 'git push'", 'bash -lc "cd x && git push"', "eval git push",
    "eval 'git push'", "sudo git push", "sudo -u a git push", "env -i A=b git push",
    "timeout 5 git push", "xargs git push", "find . -exec git push ;", "nohup git push",
    "sudo sh -c 'git push'", "cat <<E\ndon't\nE\ngit push", "true # don't\ngit push",
    "echo 'don\ngit push", "git -c ';' push", "bash <<< 'git push'", "git $'push'", "$'git' push",
    "A[0]=1 git push", "systemd-run --user git push", "taskset 1 git push",
]  # fmt: skip
OTHERS = [
    "git status", "git pushx", "git log push", "echo git push", "gitx push", "git", "push", "",
    "git stash push", "echo 'a git push'", "man git-push", "git status; echo push", ";;", "'", "$(",
]  # fmt: skip


@pytest.mark.parametrize("line", PUSHES)
def test_a_command_is_found_wherever_it_stands(line: str) -> None:
    assert runs(line, ("git", "push"))


@pytest.mark.parametrize("line", OTHERS)
def test_a_command_that_is_not_run_is_not_found(line: str) -> None:
    assert not runs(line, ("git", "push"))


def test_a_prefix_with_a_path_means_that_path() -> None:
    assert runs("bin/deploy now", ("bin/deploy",))
    assert not runs("deploy now", ("bin/deploy",))


@given(line=st.text("gitpush \n'\"\\;&|<>()$`-=#", max_size=60))
def test_whatever_is_plain_is_among_the_commands(line: str) -> None:
    if words := plain_words(line):
        assert list(words) in [[*each] for each in commands(line)] or "" in words


HOSTILE = ["'", '"', '\\"', "$(", "`", "(", "git -a ", "sudo ", "sudo git -a git ", "> ", "a=b "]


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.timeout(20)
def test_no_line_takes_long_to_read(part: str) -> None:
    line = part * (LONGEST // len(part))
    plain_words(line)
    runs(line, ("git", "push"))
