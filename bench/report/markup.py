"""Blocks as HTML, and as Markdown."""
import html

import blocks

escape = html.escape


def html_cell(tag, text):
    text = str(text)
    return f"<{tag}><b>{escape(text[1:])}</b></{tag}>" if text.startswith("*") else f"<{tag}>{escape(text)}</{tag}>"


def html_table(table):
    head = "".join(f"<th scope=col>{escape(h)}</th>" for h in table.heads)
    body = "".join("<tr>" + "".join(html_cell("td", c) for c in row) + "</tr>" for row in table.rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def as_html(block):
    if isinstance(block, blocks.Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, blocks.Text):
        return f"<p{' class=bad' if block.bad else ''}>{escape(block.text)}</p>"
    if isinstance(block, blocks.Table):
        return html_table(block)
    return f"<figure>{block.svg}</figure>"


def markdown_cell(text):
    text = str(text).replace("|", "\\|")
    return f"**{text[1:]}**" if text.startswith("*") else text


def markdown_table(table):
    lines = ["| " + " | ".join(table.heads) + " |", "| --- |" + " ---: |" * (len(table.heads) - 1)]
    lines += ["| " + " | ".join(map(markdown_cell, row)) + " |" for row in table.rows]
    return "\n".join(lines)
