"""A short list of words and forms that readers stumbled over stays out of what they read."""

import re
import subprocess

from mosaicbook.runs.provenance import ROOT

FORMS = (
    "test split chose nothing", "explaining count", "is to be more", "are to be more", "is to grow", "foretell",
    "not be passed on", "may be passed on", "Bend it", "under your hands", "What is trained on what",
    "What is kept", "no news", "has not our", r"\b1 pictures", "synthetic pictures",
    "be passed on", "let its photographs", "chose nothing", "are to help", "What came out", "Killed at any moment",
    "takes its value's place", "their values' place", "nobody watches", "name begins so", "one look at the split",
    r"\b(a|A|an|the|The|each|all|of|no|one|your|own|whole|these|those|many|some|every) [Pp]ictures?\b(?![/_\]=)-])",
    r"\b[Pp]ictures? (is|are|of|which|may|to)\b", r"\bone a (seed|class|row)\b", r"seeds? a (network|setting)",
    r"(?<!here )\bis no (number|size|run|row|list|mask|folder|class of)\b", r"\ba line a (row|network)\b",
    r"\bless the (default|other)\b", r"is it more\?", "uncertain as no",
)  # fmt: skip
READ = (".py", ".ipynb", ".md", ".j2", ".js", ".yaml")


def test_readers_do_not_stumble():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    pattern = re.compile("|".join(FORMS))
    places = [
        f"{file}:{number}: {line.strip()[:100]}"
        for file in listed.stdout.splitlines()
        if file.endswith(READ) and not file.startswith(("reports/", "tests/")) and (ROOT / file).is_file()
        for number, line in enumerate((ROOT / file).read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not places, "\n".join(places)
