"""A small Markdown, as plugins/*/README.md and the *.in files here are written in it, to man(7) macros.

Known: headings, paragraphs, lists, fenced code, tables (each row becomes a tagged paragraph), `code`, **strong**, *emphasis*,
[links](target) and page(7). Nothing else: what is not known stands in the page as it was written.
"""
import re

INLINE = re.compile(r"``(?P<wide>.+?)``|`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|(?<![\w*])\*(?P<soft>[^*\s][^*]*?)\*(?![\w*])"
                    r"|\[(?P<link>[^\]]+)\]\((?P<target>[^)\s]+)\)|\b(?P<page>[a-z][\w.-]*)\((?P<section>[1-8])\)")
CELL = re.compile(r"(?<!\\)\|")


def escape(text, literal=False):
    """Text as roff shows it; `literal`: to be copied, so that a hyphen is a minus and quotes stay straight."""
    text = text.replace("\\", "\\e")
    if literal:
        for character, name in (("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti")):
            text = text.replace(character, name)
    return text


def inline(text):
    out, at = [], 0
    for match in INLINE.finditer(text):
        out.append(escape(text[at:match.start()]))
        at = match.end()
        code = match["wide"] or match["code"]
        if code:
            out.append(f"\\fB{escape(code.strip() if match['wide'] else code, True)}\\fP")
        elif match["strong"]:
            out.append(f"\\fB{inline(match['strong']).replace(chr(92) + 'fP', chr(92) + 'fB')}\\fP")
        elif match["soft"]:
            out.append(f"\\fI{escape(match['soft'])}\\fP")
        elif match["link"]:
            out.append(f"{escape(match['link'])} ({escape(match['target'], True)})")
        else:
            out.append(f"\\fB{escape(match['page'], True)}\\fP({match['section']})")
    out.append(escape(text[at:]))
    return "".join(out)


def guarded(line):
    """A line of text that begins like a request is none."""
    return "\\&" + line if line[:1] in (".", "'") else line


def filled(text):
    """A paragraph: a new line for each sentence, as roff wants it."""
    text = re.sub(r"\s+", " ", text).strip()
    # Split before formatting, outside of code, so that no font runs over a line's end.
    parts, depth = [""], 0
    for piece in re.split(r"(`+[^`]*`+)", text):
        if piece.startswith("`"):
            parts[-1] += piece
            continue
        sentences = re.split(r"(?<=[a-z0-9)\]][.?!:]) (?=[A-Z`*\"])", piece)
        parts[-1] += sentences[0]
        parts.extend(sentences[1:])
    whole = "\n".join(parts)
    if len(re.findall(r"\*\*", whole)) % 2 == 0 and all(len(re.findall(r"\*\*", part)) % 2 == 0 for part in parts):
        return "\n".join(guarded(inline(part.strip())) for part in parts if part.strip())
    return guarded(inline(text))


def code_block(lines, fresh=False):
    return [*([] if fresh else [".PP"]), ".RS 4", ".EX", *(guarded(escape(line, True)) for line in lines), ".EE", ".RE"]


def tagged(head, paragraphs):
    """`head` and what belongs to it; paragraphs are Markdown blocks."""
    out = [".TP", guarded(inline(head))]
    first = True
    for paragraph in paragraphs:
        if not first:
            out.append(".IP")
        out.append(filled(paragraph) or "\\&")
        first = False
    if first:
        out.append("\\&")
    return out


def cells_of(line):
    return [cell.strip().replace("\\|", "|") for cell in CELL.split(line.strip().strip("|").replace("\\||", "\\|"))]


def table(rows):
    """Each row is a tagged paragraph: the first cell, in brackets those between, and the last one as its text."""
    heads = cells_of(rows[0])
    out = []
    for row in rows[2:]:
        cells = cells_of(row) + [""] * len(heads)
        cells = cells[:len(heads)]
        about = []
        for head, cell in zip(heads[1:-1], cells[1:-1]):
            if cell:
                about.append(f"default {cell}" if head == "default" else cell)
        tag = cells[0] if cells[0].startswith(("`", "*")) else f"**{cells[0]}**"
        body = cells[-1]
        if len(about) == 1 and len(about[0]) > 40:
            body, about = f"{about[0]}{'' if about[0].endswith('.') else '.'} {body}", []
        out += tagged(tag + (f" ({'; '.join(about)})" if about else ""), [body] if body else [])
    return out


def blocks(text):
    """(kind, content) of each block: heading, code, table, list, line (a directive), paragraph."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("```"):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].startswith("```"))
            yield "code", (line[3:].strip(), lines[at + 1:end])
            at = end + 1
        elif re.match(r"#{1,4} ", line):
            yield "heading", (len(line) - len(line.lstrip("#")), line.lstrip("# "))
            at += 1
        elif line.startswith("|"):
            end = at
            while end < len(lines) and lines[end].startswith("|"):
                end += 1
            yield "table", lines[at:end]
            at = end
        elif line.startswith("@"):
            yield "line", line[1:]
            at += 1
        elif re.match(r"(?:[-*]|\d+\.) ", line):
            items = []
            while at < len(lines) and lines[at].strip() and not lines[at].startswith(("```", "|", "#", "@")):
                match = re.match(r"((?:[-*]|\d+\.)) (.*)", lines[at])
                if match:
                    items.append([match[1], match[2]])
                else:
                    items[-1][1] += " " + lines[at].strip()
                at += 1
            yield "list", items
        else:
            end = at
            while end < len(lines) and lines[end].strip() and not re.match(r"```|#{1,4} |\||@", lines[end]):
                if end > at and re.match(r"(?:[-*]|\d+\.) ", lines[end]):
                    break
                end += 1
            yield "paragraph", " ".join(lines[at:end])
            at = end


def convert(text, directive, level=1):
    """`directive(words)` answers with roff lines for a line `@words`. `level`: of the headings that become .SH."""
    out = []
    fresh = True  # nothing since the heading: no .PP
    for kind, content in blocks(text):
        if kind == "heading":
            depth, title = content
            macro = ".SH" if depth <= level else ".SS"
            title = escape(re.sub(r"[`*]", "", title)).replace('"', '\\(dq')
            out.append(f'{macro} "{title.upper() if macro == ".SH" else title}"')
            fresh = True
            continue
        if kind == "code":
            out += code_block(content[1], fresh)
        elif kind == "table":
            out += table(content)
        elif kind == "list":
            for mark, item in content:
                out += [f".IP {chr(92) + '(bu 2' if mark in '-*' else mark + ' 3'}", filled(item)]
        elif kind == "line":
            out += directive(content)
        else:
            out += ([] if fresh else [".PP"]) + [filled(content)]
        fresh = False
    return out
