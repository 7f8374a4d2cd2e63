"""Secrets taken out of a text before it is kept: keys, tokens and passwords that have a form of their own.

A short list of patterns rather than a scanner: those that are recognised without their surroundings, and an assignment
to a name that says it is one. It refuses to guess at addresses or names of people.
"""

import re
from functools import partial

__all__ = ["PATTERNS", "marked", "redact"]

PATTERNS: dict[str, str] = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    "web token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "OpenAI or Anthropic key": r"\bsk-[A-Za-z0-9_-]{20,}",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    "GitLab token": r"\bglpat-[\w-]{20,}",
    "AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[\w-]{35}",
    "Slack token": r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    "Stripe key": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "npm or PyPI token": r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,})",
    "password in an address": r"(?<=://)[^\s/:@]{1,64}:[^\s/@]{3,}(?=@)",
    "bearer token": r"(?i:(?<=bearer ))[A-Za-z0-9._~+/-]{20,}=*",
    "assigned secret": (
        r"(?i:(?<![A-Za-z])(?:password|passwd|pwd|secret|api_?key|access_?token|auth_?token)"
        r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?)(?P<value>(?=[^\s\"',;]*[\d!@#$%^&*_])[^\s\"',;]{8,})"
    ),
}
"""What is taken out, by name."""
_COMPILED = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}


def redact(text: str) -> str:
    """The text with each secret replaced by its name in brackets; the same secret always by the same words."""
    for name, pattern in _COMPILED.items():
        if "value" in pattern.groupindex:
            text = pattern.sub(partial(_around, name), text)
        else:
            text = pattern.sub(f"[{name}]", text)
    return text


def marked(text: str) -> bool:
    """Whether something was taken out of a text."""
    return any(f"[{name}]" in text for name in PATTERNS)


def _around(name: str, match: re.Match[str]) -> str:
    value = match["value"]
    if value.startswith("["):  # taken out already
        return match[0]
    start = match.start("value") - match.start()
    return f"{match[0][:start]}[{name}]"
