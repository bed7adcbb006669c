"""Just enough C++ reading for the checks: comments, strings, and where functions begin and end.

Not a parser. It relies on the code being formatted by clang-format and free of macros that open or
close a brace; a file it cannot follow is reported, not passed over.
"""

import re
from dataclasses import dataclass

# Order matters: a raw string may hold anything, a comment may hold quotes.
TOKEN = re.compile(
    r'R"(?P<raw>[^()\\\s]{0,16})\(.*?\)(?P=raw)"'
    r'|//(?:[^\n\\]|\\.|\\\n)*'
    r"|/\*.*?\*/"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|(?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:[^'\\\n]|\\.)+'",
    re.DOTALL)
PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE | re.DOTALL)

SCOPE = re.compile(
    r"(?:^|\s)(?:namespace|extern\s*\"?|(?:enum\s+)?(?:class|struct)|union|enum)(?=[\s:{]|$)")
CONTROL = re.compile(r"^(?:else\b.*)?(?:if|for|while|switch|do|else|try|catch)\b")
MEMBER_INITIALISERS = re.compile(r"\)\s*(?:noexcept\s*(?:\(.*?\))?\s*)?:(?!:)", re.DOTALL)


class Unreadable(Exception):
    """The braces of a file cannot be followed."""


@dataclass(frozen=True)
class Function:
    name: str
    first_line: int  # of the declaration, from 1
    last_line: int  # of the closing brace

    @property
    def lines(self) -> int:
        return self.last_line - self.first_line + 1


def blank(text: str) -> str:
    """Spaces of the same shape."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text: str) -> str:
    """The text with comments blanked; strings stay."""
    def replace(match: re.Match) -> str:
        token = match.group()
        return blank(token) if token.startswith(("//", "/*")) else token
    return TOKEN.sub(replace, text)


def code_only(text: str) -> str:
    """The text with comments, string contents and preprocessor lines blanked; positions stay."""
    def replace(match: re.Match) -> str:
        token = match.group()
        if token.startswith(("//", "/*")):
            return blank(token)
        # Keep the quotes, so that `extern "C"` and macro arguments keep their form.
        return '"' + blank(token[1:-1]) + '"'
    return PREPROCESSOR.sub(lambda match: blank(match.group()), TOKEN.sub(replace, text))


def is_scope(head: str) -> bool:
    """True for what holds declarations: a namespace, a class, `extern "C"`."""
    without_template = re.sub(r"template\s*<[^{}]*?>\s*(?=class|struct|union|\w)", "", head)
    before_parenthesis = without_template.split("(")[0]
    if not SCOPE.search(before_parenthesis):
        return False
    # `struct Point make() {` is a function; `class alignas(8) X {` and `struct X : A<int()>` are
    # not, and do not end like a parameter list.
    return not re.search(r"\)\s*(?:const|noexcept|override|final|\s)*$", head)


def is_member_initialiser(head: str) -> bool:
    """True for the `{` of `: size_{0}`, as opposed to the one that opens the constructor."""
    return bool(MEMBER_INITIALISERS.search(head)) and bool(re.search(r"[\w>]\s*$", head)) \
        and not re.search(r"\b(?:const|noexcept|override|final|try)\s*$", head)


def is_function(head: str) -> bool:
    stripped = head.strip()
    if "(" not in stripped or CONTROL.match(stripped):
        return bool(re.search(r"\[[^\[\]]*\]\s*(?:mutable\s*)?$", stripped))  # [] { … }
    if re.search(r"=\s*$", stripped) or stripped.endswith(("(", ",", "return")):
        return False
    if re.search(r"(?<![=!<>])=(?!=)", stripped) and "](" not in stripped \
            and "operator" not in stripped:
        # A table filled by calls; a default argument still ends with the parameter list.
        return bool(re.search(r"\)\s*(?:const|noexcept|override|final|\s|->\s*[\w:<>&*, ]+)*$",
                              stripped)) and not re.match(r"[^()]*=", stripped)
    return True


def function_name(head: str) -> str:
    match = re.search(r"([\w:]*operator\s*[^\s\w]+?|[\w:~<>,\s]*?[\w~>]+)\s*\(", head)
    name = match.group(1).split()[-1] if match and match.group(1).split() else "lambda"
    if name.startswith(("TEST", "RC_")):  # TEST(Suite, Case)
        arguments = re.search(r"\(([^()]*)\)", head)
        if arguments:
            name += "(" + ", ".join(part.strip() for part in arguments.group(1).split(",")) + ")"
    return name


def functions(text: str) -> list[Function]:
    """The functions defined at namespace or class level, in order. Lambdas in them do not count
    apart."""
    code = code_only(text)
    found = []
    scopes = ["scope"]  # what each open brace is: scope, function, block
    opened: list[tuple[str, int]] = []  # name and first line of the open function
    head_start = 0
    parentheses = 0
    for match in re.finditer(r"[{};()]", code):
        position, character = match.start(), match.group()
        if character in "()":
            parentheses += 1 if character == "(" else -1
            continue
        if scopes[-1] != "scope":
            if character == "{":
                scopes.append("block")
            elif character == "}" and scopes.pop() == "function":
                name, first = opened.pop()
                found.append(Function(name, first, code.count("\n", 0, position) + 1))
                parentheses, head_start = 0, position + 1
            continue
        if character == "{":
            head = re.sub(r"\b(?:public|private|protected)\s*:", blank_match,
                          code[head_start:position])
            if parentheses > 0:
                scopes.append("block")
            elif is_scope(head):
                scopes.append("scope")
                head_start = position + 1
            elif is_member_initialiser(head) or not is_function(head):
                scopes.append("block")
            else:
                first = head_start + len(head) - len(head.lstrip())
                opened.append((function_name(head), code.count("\n", 0, first) + 1))
                scopes.append("function")
        elif character == "}":
            scopes.pop()
            if not scopes:
                raise Unreadable(f"line {code.count(chr(10), 0, position) + 1}: one '}}' too many")
            head_start = position + 1
        elif parentheses == 0:
            head_start = position + 1
    if len(scopes) != 1:
        raise Unreadable("a '{' is never closed")
    return found


def blank_match(match: re.Match) -> str:
    return blank(match.group())
