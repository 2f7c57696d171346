"""The kernel of a run: of the Python that runs this, whatever a kernelspec called python3 names first."""

import sys

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

NAME = "python3"


class OwnKernel(AsyncKernelManager):
    """A manager that looks for no kernelspec: one of another environment would lack the packages."""

    @property
    def kernel_spec(self):
        """How this Python starts a kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=NAME, language="python")
