"""The journal's message catalog: what `journalctl -x` says under a line of Baton, from the same tables as the manual."""
import textwrap

MORE = "man:baton-messages(7)"


def plain(text):
    """Ours never means a field with @."""
    return text.replace("@", "@@")


def sentence(text):
    text = text.strip()
    return text if not text or text[-1] in ".?!" else text + "."


def entry(message_id, subject, paragraphs):
    head = [f"-- {message_id}", f"Subject: {subject}", "Defined-By: Baton", f"Documentation: {MORE}"]
    body = [textwrap.fill(text, 100, break_on_hyphens=False) for text in paragraphs if text]
    return "\n".join(head) + "\n\n" + "\n\n".join(body) + "\n"


def told(token):
    words = token.replace("_", " ")
    return words[0].upper() + words[1:]


def text_of(tables):
    entries = [entry(row["message_id"], row["subject"], [row["text"], "The line itself: @MESSAGE@"]) for row in tables["messages"]]
    for alarm in tables["alarms"]:
        words = sentence(alarm["words"])
        entries.append(entry(alarm["message_id"], f"Alarm: {alarm['token'].replace('_', ' ')}",
                             [plain(words[0].upper() + words[1:]), plain(alarm["advice"]), "The line itself: @MESSAGE@"]))
    for notice in tables["notices"]:
        entries.append(entry(notice["message_id"], told(notice['token']),
                             [plain(notice["words"]), plain(notice["remedy"]), "The line itself: @MESSAGE@"]))
    head = "# What the lines of Baton in the journal mean. Made by packaging/man/generate.py: change the tables instead.\n"
    return head + "\n" + "\n".join(entries)
