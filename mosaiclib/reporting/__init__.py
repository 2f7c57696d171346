"""From run folders to an HTML report: pages that need no network, and pages that may be passed on."""
