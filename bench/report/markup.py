"""The few pieces of HTML that the report consists of."""
import html

escape = html.escape


def cell(text, bold=False):
    return f"<b>{text}</b>" if bold else text


def table(heads, rows):
    head = "".join(f"<th scope=col>{h}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
