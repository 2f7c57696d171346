"""What ran a graph: verdicts from what was found, never from what was asked for.

full         every operation of the graph was run by the delegate that was asked for
partial r/t  r of the graph's t operations were; "partial" alone where the runtime does not say how many
none         the delegate took no operation, or none was asked for and plain kernels ran
implicit     plain kernels were asked for, and the runtime applied a delegate of its own
failed       there is no measurement
unknown      there is one, and nothing says what ran it
"""

import re

XNNPACK, GPU = "XNNPACK", "GPU"
# LiteRT's own GPU delegates are called by their interface (ml_drift_delegate/delegate/*.cc).
_ALIASES = {GPU: r"gpu|litert_(?:cl|opengl|vulkan|webgpu|metal)\b"}


def of_counts(asked, ops, delegated):
    """The verdict where operations were counted: t before a delegate was applied, r of them taken by one.

    asked: the name of a delegate, or None. Counts may be None where they could not be had.
    """
    if ops is None or delegated is None or not 0 <= delegated <= ops:
        return "unknown"
    if not delegated:
        return "none"
    if not asked:
        return "implicit"
    return "full" if delegated == ops else f"partial {delegated}/{ops}"


def of_log(log, asked):
    """The verdict on a run of TFLite's benchmark tool from its log (`benchmark_log.Log`).

    asked: the delegate as the tool names it (GPU, NNAPI, Hexagon, XNNPACK, EXTERNAL), or None.
    """
    if log.failure:
        return "failed"
    if not asked:
        return "implicit" if log.created or log.replaced or log.applied else "none"
    if log.taken_back:
        return "none"
    counts = counted(log, asked)
    applied = next((a for a in log.applied if _same(a.name, asked)), None)
    if counts is None and applied is None and any(_same(name, asked) for name in log.lacking):
        return "none"
    if counts is None:
        extents = {"completely": "full", "partially": "partial", "not": "none"}
        return extents[applied.extent] if applied else "unknown"
    if applied and applied.extent == "not" and counts[0]:
        return "unknown"  # the two lines contradict each other
    return of_counts(asked, counts[1], counts[0])


def counted(log, asked):
    """(r, t): how many of the graph's operations a delegate took, as its runtime says; None where it does not.

    Where several lines say it, the most sceptical one counts.
    """
    found = []
    for lines in (log.replaced, log.claimed):
        if named := [line for line in lines if _same(line.delegate, asked)]:
            found.append((sum(line.replaced for line in named), sum(line.total for line in named)))
    if log.gpu_split and _same(GPU, asked):
        found.append((log.gpu_split[0], sum(log.gpu_split)))
    return min(found, key=lambda rt: rt[0] / max(rt[1], 1), default=None)


def _same(name, asked):
    """Whether two names are of one delegate: `TfLiteGpuDelegateV2` is GPU; EXTERNAL may be any but the CPU's own."""
    if asked == "EXTERNAL":
        return not re.search("[XY]NNPACK", name, re.IGNORECASE)
    return bool(re.search(_ALIASES.get(asked, re.escape(asked)), name, re.IGNORECASE))
