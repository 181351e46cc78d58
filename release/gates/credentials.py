"""Secrets in texts: the forms that stock scanners miss, the Hub's among them, then a scanner."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from release.gates.gate import Refusal, Subject

TEXT = (".md", ".txt", ".py", ".jinja", ".json", ".jsonl", ".yaml", ".csv", ".css", ".html", ".svg")
FORMS = {
    "a Hugging Face token": r"\b(?:hf|api_org)_[A-Za-z0-9]{20,}",
    "an OpenAI or Anthropic key": r"\bsk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{20,}",
    "a Google key": r"\bAIza[\w-]{35}|\bGOCSPX-[\w-]{20,}|\bya29\.[\w-]{20,}",
    "a GitLab token": r"\bgl(?:pat|dt|rt|ptt)-[0-9A-Za-z_-]{20,}",
    "a GitHub token": r"\bgh[pousr]_[0-9A-Za-z]{36,}|\bgithub_pat_[0-9A-Za-z_]{40,}",
    "a Slack token": r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a JSON web token": r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY",
    "a Weights & Biases key": r"(?i:wandb_api_key)\W{1,4}[0-9a-f]{40}",
    "a PyPI or npm token": r"\bpypi-[0-9A-Za-z_-]{50,}|\bnpm_[0-9A-Za-z]{36}",
    "a Stripe key": r"\b[rs]k_live_[0-9A-Za-z]{20,}",
    "an address with a password": r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>]{1,64}:[^\s:/@\"'<>]{3,128}@[\w.-]+",
    "a bearer token": r"(?i:\bauthorization\W{1,4}bearer)\s+[0-9A-Za-z._~+/-]{20,}",
}
# the one class that a name and a quoted value give away: assignments in code and settings
ASSIGNED = re.compile(
    r"(?i)\b(?:api_?key|secret|passw(?:or)?d|access_?token|auth_?token)\b[\"']?\s*[:=]\s*"
    r"[\"'](?!<|\$|\{|None|null)[^\s\"']{8,}[\"']"
)
PATTERN = re.compile("|".join(f"(?P<f{at}>{form})" for at, form in enumerate(FORMS.values())))
NAMES = tuple(FORMS)
STOCK = (
    *("artifactory.ArtifactoryDetector", "azure_storage_key.AzureStorageKeyDetector"),
    *(
        "basic_auth.BasicAuthDetector",
        "cloudant.CloudantDetector",
        "discord.DiscordBotTokenDetector",
    ),
    *("ibm_cloud_iam.IbmCloudIamDetector", "mailchimp.MailchimpDetector", "npm.NpmDetector"),
    *("private_key.PrivateKeyDetector", "sendgrid.SendGridDetector", "slack.SlackDetector"),
    *("square_oauth.SquareOAuthDetector", "stripe.StripeDetector", "aws.AWSKeyDetector"),
    *("telegram_token.TelegramBotTokenDetector", "github_token.GitHubTokenDetector"),
)


def no_credentials(subject: Subject) -> Iterator[Refusal]:
    """No token, key or password in any text file. The value itself is never printed."""
    for path in subject.files:
        if not path.endswith(TEXT) and "." in path.rpartition("/")[2]:
            continue
        for number, line in enumerate(subject.text(path).splitlines(), 1):
            found = find_secret(line) or (path.endswith((".py", ".yaml")) and _assigned(line))
            if found:
                yield Refusal(path, f"looks like {found}", "remove it and revoke it", number)


def find_secret(text: str) -> str | None:
    """What kind of secret a text holds, if any."""
    found = PATTERN.search(text)
    if found:
        return NAMES[next(at for at in range(len(NAMES)) if found[f"f{at}"])]
    for plugin in stock_detectors():
        if any(plugin.analyze_string(text)):
            return f"a secret ({plugin.secret_type})"
    return None


def _assigned(line: str) -> str | None:
    return "a password or key written into code" if ASSIGNED.search(line) else None


@cache
def stock_detectors() -> tuple[Any, ...]:
    """detect-secrets' detectors of named services; its entropy guesses flag every hash we print."""
    from importlib import import_module

    found = []
    for name in STOCK:
        module, _, cls = name.partition(".")
        found.append(getattr(import_module(f"detect_secrets.plugins.{module}"), cls)())
    return tuple(found)
