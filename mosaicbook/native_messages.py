"""What TensorFlow and TFLite write to stderr whenever they start or convert, and which a user need not see.

TF_CPP_MIN_LOG_LEVEL does not silence the messages that come before TensorFlow has set up its log.
"""

import atexit
import os
import re
import sys
import threading

CHATTER = re.compile(
    r"^(WARNING: All log messages before absl|I0000 |INFO: (Created|Initialized) TensorFlow|fully_quantize:"
    r"|WARNING:absl:Please consider|.*UserWarning: Statistics for quantized|\s*warnings\.warn\("
    r"|To enable the following).*\n?",
    re.MULTILINE,
)


def filter_stderr():
    """From now on stderr reaches the terminal, or the notebook, without these lines; Python's own pass by directly."""
    reading, writing = os.pipe()
    terminal = os.dup(2)
    sys.stderr.flush()
    if sys.stderr is sys.__stderr__:  # in a notebook it is a stream of the kernel, which passes by already
        sys.stderr = os.fdopen(os.dup(terminal), "w", buffering=1)
    os.dup2(writing, 2)
    os.close(writing)

    def forward():
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                if not CHATTER.match(line.decode(errors="replace")):
                    os.write(terminal, line)

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()

    def finish():
        os.dup2(terminal, 2)  # closes the pipe, so that the last lines come through
        thread.join(timeout=1)

    atexit.register(finish)
