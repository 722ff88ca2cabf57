"""What the rules say of a call."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream import ConfigurationError, Permissions, tool
from midstream.tools.permissions import Decision, Rule, Verdict
from midstream.tools.tool import Tool

ALLOWED, ASK, DENIED = Decision.ALLOWED, Decision.ASK, Decision.DENIED


def named(name: str, approval: bool = False) -> Tool:
    return tool(lambda: None, name=name, approval=approval)


READ, RUN = named("read_file"), named("run_command", approval=True)


def decided(permissions: Permissions, tool: Tool = RUN, **input: Any) -> Decision:
    return permissions.verdict(tool, input).decision


# -- which counts ------------------------------------------------------------------------------


def test_without_rules_a_tool_says_itself_whether_to_ask() -> None:
    assert Permissions().verdict(READ, {}) == Verdict(ALLOWED)
    assert Permissions().verdict(RUN, {}) == Verdict(ASK)


def test_everything_stands_in_for_the_answer() -> None:
    assert Permissions(everything=True).verdict(RUN, {}) == Verdict(ALLOWED, "everything")
    assert Permissions(everything=True).verdict(READ, {}) == Verdict(ALLOWED)


def test_a_rule_that_denies_counts_before_all_others() -> None:
    both = Permissions(["run_command", "read_file"], ["run_command", "read_file"], everything=True)
    assert both.verdict(RUN, {}) == Verdict(DENIED, "rule run_command")
    assert both.verdict(READ, {}) == Verdict(DENIED, "rule read_file")


def test_a_rule_is_named_by_what_it_decided() -> None:
    rules = Permissions(["run_command:git status"], ["run_command:git push"], everything=True)
    verdict = rules.verdict(RUN, {"command": "git status -s"})
    assert verdict == Verdict(ALLOWED, "rule run_command:git status")
    verdict = rules.verdict(RUN, {"command": "git push"})
    assert verdict == Verdict(DENIED, "rule run_command:git push")
    assert rules.verdict(RUN, {"command": "ls"}) == Verdict(ALLOWED, "everything")


def test_a_rule_is_about_the_tool_of_that_name_alone() -> None:
    rules = Permissions(["run"], ["read"])
    assert decided(rules) is ASK
    assert decided(rules, READ) is ALLOWED


def test_what_is_allowed_later_counts_from_then_on() -> None:
    rules = Permissions(deny=["run_command:git push"])
    assert decided(rules, command="git status") is ASK
    rules.allow("run_command:git status")
    rules.allow(Rule("run_command", "git push"))
    rules.allow("run_command:git status")
    assert decided(rules, command="git status") is ALLOWED
    assert decided(rules, command="git push") is DENIED
    assert [str(each) for each in rules.allowed] == [
        "run_command:git status", "run_command:git push",
    ]  # fmt: skip


# -- how a command begins ----------------------------------------------------------------------

COVERED = [
    "git status", " git  status ", "git status -s", "git status --porcelain=v1 'a b'",
    "'git' \"status\"", "git status 'x; rm y'", "git status *", "git status ~",
]  # fmt: skip
ASKED = [
    "git", "git statusx", "gitstatus", "git -c core.pager=x status", "git stat?s", "git {status,}",
    "/tmp/git status", "./git status", "GIT status", "'git status'", "git commit",
    "git status; rm -rf ~", "git status && rm x", "git status | sh", "git status & rm x",
    "git status\nrm x", "git status\rrm x", "git status\x00; rm x", "git status > ~/.bashrc",
    "git status $(rm x)", "git status `rm x`", 'git status "$(rm x)"', "git status ${x:=y}",
    "git status <(rm x)", "PAGER=sh git status", "! git status", "(git status)", "git status 'x",
    "git\u00a0status", "git status # x", "sudo git status", "",
]  # fmt: skip


@pytest.mark.parametrize("command", COVERED)
def test_a_prefix_allows_a_plain_command_that_begins_with_its_words(command: str) -> None:
    assert decided(Permissions(["run_command:git status"]), command=command) is ALLOWED


@pytest.mark.parametrize("command", ASKED)
def test_a_prefix_allows_nothing_that_could_be_more(command: str) -> None:
    assert decided(Permissions(["run_command:git status"]), command=command) is ASK


@pytest.mark.parametrize("command", ["make test", " make test\n"])
def test_a_command_that_is_allowed_as_it_is_runs_as_it_is(command: str) -> None:
    assert decided(Permissions(["run_command=make test"]), command=command) is ALLOWED


@pytest.mark.parametrize(
    "command",
    ["make test '--eval=$(shell x)'", "make test x", "make", "make  test", "make test; x",
      "maketest", "make test\u00a0", "make test\\", "make test &"],
)  # fmt: skip
def test_and_nothing_else_does(command: str) -> None:
    assert decided(Permissions(["run_command=make test"]), command=command) is ASK


def test_what_is_allowed_as_it_is_may_be_any_line() -> None:
    command = "cd a && make 'x*' > log; echo $? *"
    rules = Permissions([f"run_command={command}"])
    assert decided(rules, command=command) is ALLOWED
    assert decided(rules, command=f"{command} x") is ASK


@pytest.mark.parametrize("command", ["git push", "git push -f", "ls; git push", "sh -c 'git push'"])
def test_a_command_that_is_denied_as_it_is_is_seen_as_its_beginning_would_be(command: str) -> None:
    rules = Permissions(["run_command"], ["run_command=git push"])
    assert decided(rules, command=command) is DENIED
    assert decided(rules, command="git pull") is ALLOWED


def test_a_line_that_is_denied_as_it_is_is_denied() -> None:
    rules = Permissions(["run_command"], ["run_command=a | b"])
    assert decided(rules, command="a | b") is DENIED
    assert decided(rules, command="a") is ALLOWED


@pytest.mark.parametrize(
    "command",
    ["rm x", "ls; rm x", "ls && /bin/rm x", "echo $(rm x)", "sh -c 'rm x'", "sudo rm x", "r\\m x"],
)
def test_a_prefix_denies_a_command_wherever_it_is_seen(command: str) -> None:
    rules = Permissions(["run_command"], ["run_command:rm"])
    assert decided(rules, command=command) is DENIED


def test_a_prefix_that_denies_leaves_the_rest_alone() -> None:
    rules = Permissions(["run_command"], ["run_command:rm"])
    assert decided(rules, command="ls; git rm x") is ALLOWED


@pytest.mark.parametrize("input", [{}, {"command": 5}, {"command": ["rm"]}, {"path": "rm"}])
def test_a_call_without_a_command_is_allowed_by_no_prefix_and_denied_by_each(
    input: dict[str, Any],
) -> None:
    assert decided(Permissions(["run_command:rm"]), **input) is ASK
    assert decided(Permissions(deny=["run_command:rm"]), **input) is DENIED


@given(st.text(max_size=40), st.text(" ;'\"$(`git status", max_size=40))
def test_every_command_gets_a_verdict(one: str, other: str) -> None:
    rules = Permissions(["run_command:git status"], ["run_command:git push"])
    for command in (one, other):
        assert decided(rules, command=command) in Decision


# -- how rules are spelled ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "run_command",
        "run_command:git status",
        "mcp.server-x:a:b c",
        "run_command=make test",
        "a=b:c",
        "a:b c=d",
    ],
)
def test_a_rule_is_read_as_it_is_spelled(text: str) -> None:
    assert str(Rule.read(f" {text} ")) == text
    assert Rule.read("a: b c ") == Rule("a", "b c")
    assert Rule.read("a = b:c ") == Rule("a", "b:c", exact=True)


WRONG = [
    ("", "is no rule"),
    (":git status", "is no rule"),
    ("Bash(git status)", "run_command:git status"),
    ("run command", "is no rule"),
    ("run_command:", "run_command alone is every call"),
    ("run_command: ", "run_command alone is every call"),
    ("run_command=", "run_command alone is every call"),
    ("=make", "is no rule"),
    ("run_command:git *", "leave out the *"),
    ("run_command:git status:*", "leave out the *"),
    ("run_command:git status; rm", "one plain command"),
    ("run_command:$HOME/x", "one plain command"),
    ("run_command:A=b git", "one plain command"),
    ("run_command:'git", "one plain command"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_rule_that_could_mean_nothing_is_an_error_that_says_what_to_do(
    text: str, words: str
) -> None:
    for allow, deny in (([text], []), ([], [text])):
        with pytest.raises(ConfigurationError) as raised:
            Permissions(allow, deny)
        assert words in str(raised.value)
